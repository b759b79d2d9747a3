"""Records what is done to a folder, and derives the states that a power cut may leave of it."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias

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

    @property
    def folder(self) -> str:
        return str(PurePath(next(iter(self.changes))).parent)


@frozen
class SyncFile:
    file: Content


@frozen
class SyncFolder:
    folder: str


Operation: TypeAlias = Write | Truncate | Rename | SyncFile | SyncFolder


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
                yield self._change({source: None, target: self.names[source]})
            case "unlink":
                yield self._change({self._name(arguments[0]): None})
            case "mkdir":
                yield self._change({self._name(arguments[0]): _DIRECTORY})
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


def cut(recorder: Recorder, log: Sequence[Operation], rng: random.Random) -> Disk:
    """Return a state that a cut after the operations in `log` may leave, drawn from the worst ones."""
    cache = _Cache(
        is_in_order=rng.random() < 0.5,
        names=dict(recorder.before),
        contents={number: bytearray(data) for number, data in recorder.contents.items()},
    )
    for operation in log:
        cache.add(operation)
    return cache.lose(rng)


@define(kw_only=True)
class _Cache:
    """What is on the disk, and what is still to be written to it.

    With `is_in_order`, it is a file system with a journal: changes of names reach the disk in order, and the sync of
    any file writes all that came before it. Without, it follows POSIX alone: each change of a name and each block of
    data that was not synced may or may not be on the disk, whatever became of the others.
    """

    is_in_order: bool
    names: dict[str, Content]
    contents: dict[Content, bytearray]
    _changes: list[Rename] = field(factory=list, init=False)
    _data: dict[Content, list[Write | Truncate]] = field(factory=dict, init=False)

    def add(self, operation: Operation) -> None:
        """Carry out an operation."""
        match operation:
            case Write() | Truncate():
                self._data.setdefault(operation.file, []).append(operation)
            case Rename():
                self._changes.append(operation)
            case SyncFile():
                self._write(operation.file, share=1, rng=random.Random())  # noqa: S311 - it decides nothing
                self._flush(self._changes if self.is_in_order else [])
            case SyncFolder():
                in_folder = [change for change in self._changes if change.folder == operation.folder]
                self._flush(self._changes if self.is_in_order else in_folder)

    def lose(self, rng: random.Random) -> Disk:
        """Write some of what is left, and return what is on the disk then."""
        share = rng.choice((0.1, 0.5, 0.9))
        first = self._changes[: rng.randint(0, len(self._changes))]
        self._flush(first if self.is_in_order else [change for change in self._changes if rng.random() < share])
        for number in list(self._data):
            self._write(number, share=rng.choice((0, 0.5, 1, 1)), rng=rng)
        kept = {*self.names.values()} - {_DIRECTORY}
        return Disk(self.names, {number: bytes(self.contents.get(number, b"")) for number in kept})

    def _flush(self, changes: Sequence[Rename]) -> None:
        for change in changes:
            _apply(change.changes, self.names)
        self._changes = [change for change in self._changes if change not in changes]

    def _write(self, number: Content, *, share: float, rng: random.Random) -> None:
        data = self.contents.setdefault(number, bytearray())
        for operation in self._data.pop(number, []):
            _write(data, operation, rng, share=share)


def _write(data: bytearray, operation: Write | Truncate, rng: random.Random, *, share: float) -> None:
    """Carry out a part of an operation: each block is written, is skipped, or becomes zeros where none was before."""
    if isinstance(operation, Truncate):
        if rng.random() < share:
            data[operation.size :] = bytes(max(operation.size - len(data), 0))
        return
    for start in range(0, operation.size, _BLOCK):
        stop, at = min(start + _BLOCK, operation.size), operation.offset + start
        is_written, end = rng.random() < share, operation.offset + stop
        if not is_written and rng.random() < 0.5:
            continue
        known = len(data)
        data.extend(bytes(max(end - known, 0)))
        if is_written and operation.data is not None:
            data[at:end] = operation.data[start:stop]
