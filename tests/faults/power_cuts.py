"""Records what is done to a folder, and derives the states that a power cut may leave of it."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path, PurePath
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import define, field, frozen

from tests.faults.file_faults import Call, Effect

_BLOCK: Final = 4096
_DIRECTORY: Final = 0

Content: TypeAlias = int
"""The number of a file, which several names may share, or `_DIRECTORY`."""


@frozen
class Write:
    """Bytes written to a file, or None for room that was reserved, which reads as zeros."""

    file: Content
    offset: int
    data: bytes | None = field(repr=False)
    size: int


@frozen
class Truncate:
    file: Content
    size: int


@frozen
class Rename:
    """What happens to names of one folder in a single step: each gets a content, or None if it is removed."""

    changes: Mapping[str, Content | None]
    file: Content = _DIRECTORY

    @property
    def folder(self) -> str:
        return str(PurePath(next(iter(self.changes))).parent)


@frozen
class SyncFile:
    file: Content


@frozen
class SyncFolder:
    folder: str


Change: TypeAlias = Write | Truncate | Rename
Operation: TypeAlias = Change | SyncFile | SyncFolder


@define
class Recorder:
    """A handler of calls that makes each of them, and notes what it has changed."""

    root: Path
    log: list[Operation] = field(factory=list, init=False)
    names: dict[str, Content] = field(factory=dict, init=False)  # as they are now
    before: dict[str, Content] = field(factory=dict, init=False)  # as they were at first
    contents: dict[Content, bytes] = field(factory=dict, init=False)  # as they were at first
    _by_inode: dict[int, Content] = field(factory=dict, init=False)
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False)
    _fstat: Any = field(default=os.fstat, init=False)
    _lseek: Any = field(default=os.lseek, init=False)

    def __attrs_post_init__(self) -> None:
        for path in sorted(self.root.rglob("*")):
            name, is_file = str(path.relative_to(self.root)), path.is_file()
            self.names[name] = self._new_file(path.stat().st_ino) if is_file else _DIRECTORY
            if is_file:
                self.contents[self.names[name]] = path.read_bytes()
        self.before = dict(self.names)

    def __call__(self, call: Call, effect: Effect, arguments: tuple[Any, ...]) -> Any:
        """Make a call, and note its effect."""
        assert call.function not in {"truncate", "pwritev", "symlink", "rmdir"}, "not recorded yet"
        with self._lock:  # the order of the log is that of the effects
            found = effect()
            self.log += self._operations(call.function, arguments, found)
            return found

    def cut(self, length: int, kind: FileSystem, rng: random.Random) -> Disk:
        """Return a state that a cut after so many operations may leave, drawn from the worst ones."""
        cache = Cache(kind, dict(self.before), {number: bytearray(data) for number, data in self.contents.items()})
        for operation in self.log[:length]:
            cache.add(operation)
        return cache.lose(rng)

    def _operations(self, function: str, arguments: tuple[Any, ...], found: Any) -> Iterator[Operation]:
        match function:
            case "open":
                yield from self._opened(self._name(arguments[0]), arguments[1], found)
            case "pwrite" | "write":
                descriptor, data = arguments[0], bytes(arguments[1])[:found]
                offset = arguments[2] if function == "pwrite" else self._lseek(descriptor, 0, os.SEEK_CUR) - found
                yield Write(self._file(descriptor), offset, data, found)
            case "posix_fallocate":
                yield Write(self._file(arguments[0]), arguments[1], None, arguments[2])
            case "ftruncate":
                yield Truncate(self._file(arguments[0]), arguments[1])
            case "link":
                yield self._change({self._name(arguments[1]): self.names[self._name(arguments[0])]})
            case "rename" | "replace":
                source, target = map(self._name, arguments[:2])
                if self.names[source] != self.names.get(target):  # two names of one file stay as they are
                    yield self._change({source: None, target: self.names[source]})
            case "unlink" | "mkdir":
                yield self._change({self._name(arguments[0]): None if function == "unlink" else _DIRECTORY})
            case "fsync" | "fdatasync":
                path = Path(f"/proc/self/fd/{arguments[0]}")
                is_folder = path.is_dir()
                yield SyncFolder(self._name(path.resolve())) if is_folder else SyncFile(self._file(arguments[0]))

    def _opened(self, name: str, flags: int, descriptor: int) -> Iterator[Operation]:
        inode = self._fstat(descriptor).st_ino
        if name not in self.names and flags & os.O_CREAT:
            yield self._change({name: self._new_file(inode)})
        elif flags & os.O_TRUNC:
            yield Truncate(self.names[name], 0)

    def _change(self, changes: dict[str, Content | None]) -> Rename:
        _apply(changes, self.names)
        return Rename(changes)

    def _new_file(self, inode: int) -> Content:
        self._by_inode[inode] = number = next(self._numbers)  # an inode is used again once its file is gone
        return number

    def _file(self, descriptor: int) -> Content:
        return self._by_inode[self._fstat(descriptor).st_ino]

    def _name(self, path: Any) -> str:
        return os.path.relpath(os.fsdecode(path), self.root)


def _apply(changes: Mapping[str, Content | None], names: dict[str, Content]) -> None:
    for name, content in changes.items():
        names.pop(name, None)
        if content is not None:
            names[name] = content


@frozen
class Disk:
    """The state of a folder: names of files, and their bytes."""

    names: Mapping[str, Content]
    contents: Mapping[Content, bytes]

    def create(self, root: Path) -> None:
        """Create the files, and links where names share one."""
        made: dict[Content, Path] = {}
        root.mkdir()
        for name, content in sorted(self.names.items()):
            path = root / name
            if not path.parent.exists():
                continue  # the folder itself is lost
            if content == _DIRECTORY:
                path.mkdir()
            elif content in made:
                path.hardlink_to(made[content])
            else:
                path.touch(0o600)
                path.write_bytes(self.contents[content])
                made[content] = path


FileSystem: TypeAlias = Literal["as POSIX allows", "with a journal", "with log trees"]
FILE_SYSTEMS: Final[tuple[FileSystem, ...]] = get_args(FileSystem)
"""How changes of names reach the disk: each by itself; in order, and all with the sync of any file, as on ext4 and xfs;
or in order, but the sync of a file first writes that file's own names alone, as on btrfs."""


@define
class Cache:
    """What is on the disk, and what is still to be written to it."""

    kind: FileSystem
    names: dict[str, Content]
    contents: dict[Content, bytearray]
    _pending: list[Change] = field(factory=list, init=False)

    def add(self, operation: Operation) -> None:
        """Carry out an operation."""
        match operation, self.kind:
            case SyncFile(number), "with a journal":
                self._flush(lambda each: isinstance(each, Rename) or each.file == number)
            case SyncFile(number), "with log trees":
                self._flush(lambda each: number in (each.changes.values() if isinstance(each, Rename) else {each.file}))
            case SyncFile(number), _:
                self._flush(lambda each: not isinstance(each, Rename) and each.file == number)
            case SyncFolder(folder), "as POSIX allows":
                self._flush(lambda each: isinstance(each, Rename) and each.folder == folder)
            case SyncFolder(), _:
                self._flush(lambda each: isinstance(each, Rename))
            case Write() | Truncate() | Rename() as change, _:
                self._pending.append(change)

    def lose(self, rng: random.Random) -> Disk:
        """Write some of what is left, and return what is on the disk then."""
        is_in_order = self.kind != "as POSIX allows"
        shares: dict[Content, float] = {}
        for change in self._pending[: rng.randint(0, len(self._pending)) if is_in_order else None]:
            share = shares.setdefault(change.file, rng.choice((0.1, 0.5, 0.9, 1)))
            self._carry_out(change, 1 if is_in_order and not isinstance(change, Write) else share, rng)
        kept = {*self.names.values()} - {_DIRECTORY}
        return Disk(self.names, {number: bytes(self.contents.get(number, b"")) for number in kept})

    def _flush(self, is_due: Callable[[Change], bool]) -> None:
        for change in filter(is_due, self._pending):
            self._carry_out(change, 1, random.Random(0))  # noqa: S311 - it decides nothing
        self._pending = [change for change in self._pending if not is_due(change)]

    def _carry_out(self, change: Change, share: float, rng: random.Random) -> None:
        """Carry out a change with that probability; of a write, each block by itself."""
        data = self.contents.setdefault(change.file, bytearray())
        if isinstance(change, Write):
            weights = (1 - share, 1 - share, 2 * share)
            for start in range(0, change.size, _BLOCK):
                _write(data, change, start, rng.choices(("skipped", "zeros", "written"), weights)[0])
        elif rng.random() >= share:
            return
        elif isinstance(change, Rename):
            _apply(change.changes, self.names)
        else:
            data[change.size :] = bytes(max(change.size - len(data), 0))


def _write(data: bytearray, write: Write, start: int, what: str) -> None:
    """Write one block; in place of a block that was not there before, zeros may be found."""
    stop = min(start + _BLOCK, write.size)
    if what != "skipped":
        data.extend(bytes(max(write.offset + stop - len(data), 0)))
    if what == "written" and write.data is not None:
        data[write.offset + start : write.offset + stop] = write.data[start:stop]
