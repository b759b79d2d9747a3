"""Watches every call that touches files below one folder, and makes a given one fail, or interrupts or kills there."""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeAlias

import pytest
from attrs import define, field, frozen

_OS_FUNCTIONS: Final = (
    "access", "chmod", "chown", "close", "fchmod", "fchown", "fdatasync", "fstat", "fstatvfs", "fsync", "ftruncate",
    "getxattr", "link", "listdir", "lstat", "mkdir", "open", "posix_fallocate", "pread", "preadv", "pwrite", "pwritev",
    "read", "readlink", "removexattr", "rename", "replace", "rmdir", "scandir", "setxattr", "stat", "statvfs",
    "symlink", "truncate", "unlink", "utime", "write",
)  # fmt: skip
_METHODS: Final = {
    "close": "close", "read": "read", "readall": "read", "readinto": "read", "truncate": "ftruncate", "write": "write",
}  # fmt: skip
_OF_TWO_PATHS: Final = frozenset({"link", "rename", "replace", "symlink"})
_TEXT_OPTIONS: Final = ("encoding", "errors", "newline")
_MOST_CALLS: Final = 3000  # in a run; a hundred are usual
_RANDOM_NAME: Final = re.compile(r"(?<![^/])\.[^/]+")  # as tempfile creates it

ERRNOS: Final = tuple(
    getattr(errno, name)
    for name in (
        "EIO", "ENOSPC", "EACCES", "EPERM", "EROFS", "ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ESTALE", "EINTR",
        "EINVAL", "ENOLCK", "EOPNOTSUPP", "EDQUOT", "EMFILE", "ENAMETOOLONG", "ELOOP",
    )
)  # fmt: skip

FaultKind: TypeAlias = Literal[
    "fails", "fails from then on", "fails after its effect",
    "Ctrl-C before", "Ctrl-C after", "time limit before", "time limit after", "kill before", "kill after",
]  # fmt: skip
# A server of a network file system may do it, and its answer be lost. Of a descriptor it always is so on Linux.
_FAILING_AFTER_EFFECT: Final = frozenset({
    "close", "fdatasync", "fsync", "link", "mkdir", "rename", "replace", "unlink",
})  # fmt: skip


class OutOfTimeError(TimeoutError):
    """Raised by a signal handler of the user."""


@contextmanager
def limiting_time() -> Iterator[None]:
    """Raise OutOfTimeError in the main thread upon SIGALRM."""

    def give_up(_number: int, _frame: object) -> NoReturn:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


@frozen
class Call:
    """The n-th call of a function for one file, which is the same in each run, even if threads take turns."""

    function: str
    name: str  # of the file, relative to the folder; of the first one if there are two
    number: int

    def faults(self) -> Iterator[tuple[FaultKind, int]]:
        """Return what can happen at this call, as kinds and error numbers; it may also be killed."""
        # `access` returns False for every error. After EINTR, Python calls again by itself, except to close.
        numbers = ERRNOS[:1] if self.function == "access" else ERRNOS
        yield from (("fails", number) for number in numbers)
        # A part whose journal seems to be missing for good looks like somebody else's, and is left alone.
        never = {errno.EINTR, errno.ENOENT} if self.name.endswith(".json") else {errno.EINTR}
        yield from (("fails from then on", number) for number in numbers if number not in never)
        if self.function in _FAILING_AFTER_EFFECT:
            yield from (("fails after its effect", number) for number in numbers)
        yield from self._interruptions("Ctrl-C before", "Ctrl-C after")

    def time_limits(self) -> Iterator[tuple[FaultKind, int]]:
        """Return when a signal handler of the user may raise OutOfTimeError."""
        yield from self._interruptions("time limit before", "time limit after")

    def _interruptions(self, before: FaultKind, after: FaultKind) -> Iterator[tuple[FaultKind, int]]:
        # In any program, a descriptor is lost between its opening and its assignment, or before it is closed.
        if self.function != "close":
            yield before, 0
        if self.function != "open":
            yield after, 0


@frozen
class Fault:
    """What happens at one call."""

    call: Call
    kind: FaultKind
    errno: int = 0

    def __str__(self) -> str:
        what = f"{self.kind} ({errno.errorcode[self.errno]})" if self.errno else self.kind
        return f"{self.call.function} {self.call.name} #{self.call.number}: {what}"


Effect: TypeAlias = Callable[[], Any]
Handler: TypeAlias = Callable[[Call, Effect, tuple[Any, ...]], Any]
"""Is given a call, a function that makes it, and its arguments; returns what the call returns."""


@define
class Injector:
    """A handler that records all calls and carries out one fault."""

    fault: Fault | None = None
    calls: list[Call] = field(factory=list)
    is_met: bool = False

    @property
    def is_endless(self) -> bool:
        """Whether a loop seems to repeat the failing call endlessly; then calls fail no more."""
        return len(self.calls) > _MOST_CALLS

    def __call__(self, call: Call, effect: Effect, _arguments: tuple[Any, ...]) -> Any:
        """Make the call, unless it is the one that is to fail."""
        self.calls.append(call)
        fault = self.fault
        if fault is None or self.is_endless or not self._is_due(call, fault):
            return effect()
        has_effect = "after" in fault.kind or call.function == "close"
        found = effect() if has_effect else None
        self.is_met = True
        if fault.kind.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.kind.startswith(("Ctrl-C", "time limit")):
            # To the main thread, as the kernel prefers, where it raises at once or as soon as that thread runs again.
            number = signal.SIGINT if fault.kind.startswith("Ctrl-C") else signal.SIGALRM
            signal.pthread_kill(threading.main_thread().ident or 0, number)
        elif call.function == "access":
            return False
        else:
            raise OSError(fault.errno, os.strerror(fault.errno))
        return found if has_effect else effect()

    def _is_due(self, call: Call, fault: Fault) -> bool:
        is_repeated = self.is_met and fault.kind == "fails from then on"
        return call.function == fault.call.function if is_repeated else call == fault.call


@define
class Watch:
    """Leads all calls for files below `folder` through `handler`."""

    folder: Path
    handler: Handler
    has_returned: bool = field(default=False, init=False)  # the call whose files are watched
    late: list[Call] = field(factory=list, init=False)  # calls of its threads after that
    _counts: Counter[tuple[str, str]] = field(factory=Counter, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _readlink: Callable[[str], str] = field(default=os.readlink, init=False)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the functions within the block."""
        file_type = self._file_type()
        with pytest.MonkeyPatch.context() as patch:
            for function in filter(lambda name: hasattr(os, name), _OS_FUNCTIONS):
                patch.setattr(os, function, self._watched(function, getattr(os, function)))
            patch.setattr(fcntl, "flock", self._watched("flock", fcntl.flock))
            opening = self._opening(io.open, file_type)
            patch.setattr(io, "open", opening)
            patch.setattr(builtins, "open", opening)
            for name, module in list(sys.modules.items()):
                if name.startswith("impact_jobs.") and getattr(module, "FileIO", None) is io.FileIO:
                    patch.setattr(module, "FileIO", file_type)
            yield

    def call(self, function: str, effect: Effect, arguments: tuple[Any, ...]) -> Any:
        """Lead one call through the handler if it concerns the folder."""
        name = self._name(arguments[0]) or (self._name(arguments[1]) if function in _OF_TWO_PATHS else None)
        if name is None:
            return effect()
        label = _RANDOM_NAME.sub(".random", name)
        with self._lock:
            self._counts[function, label] += 1
            call = Call(function, label, self._counts[function, label])
            if self.has_returned:
                self.late.append(call)
        return self.handler(call, effect, arguments)

    def _watched(self, function: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.call(function, lambda: real(*args, **kwargs), args)

    def _name(self, value: Any) -> str | None:
        """Return the name relative to the folder of a path, descriptor or open file; "." for the folder itself."""
        try:
            if hasattr(value, "fileno"):
                value = value.fileno()
            path = self._readlink(f"/proc/self/fd/{value}") if isinstance(value, int) else os.fsdecode(value)
        except OutOfTimeError:
            raise
        except (OSError, ValueError, TypeError):
            return None
        path = os.path.normpath(path.removesuffix(" (deleted)"))
        folder = str(self.folder)
        return path[len(folder) :].strip("/") or "." if path == folder or path.startswith(f"{folder}/") else None

    def _file_type(self) -> type[io.FileIO]:
        """Return `FileIO` with methods that are watched as the functions of `os` are."""

        def watched(function: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def method(file: io.FileIO, *args: Any) -> Any:
                if file.closed:
                    return real(file, *args)
                return self.call(function, lambda: real(file, *args), (file.fileno(), *args))

            return method

        methods = {name: watched(function, getattr(io.FileIO, name)) for name, function in _METHODS.items()}
        return type("WatchedFileIO", (io.FileIO,), methods)

    def _opening(self, real: Callable[..., Any], file_type: type[io.FileIO]) -> Callable[..., Any]:
        """Return an `open` whose files are watched, because that of C calls the system by itself."""

        text_type: Any = io.TextIOWrapper

        def opening(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if self._name(file) is None:
                return real(file, mode, *args, **options)
            given = dict(zip(("buffering", *_TEXT_OPTIONS, "closefd", "opener"), args, strict=False)) | options
            opener = given.get("opener") or (lambda path, flags: os.open(path, flags, 0o666))
            raw = file_type(file, mode.translate({ord("b"): "", ord("t"): ""}), given.get("closefd", True), opener)
            buffered = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
            return buffered(raw) if "b" in mode else text_type(buffered(raw), *map(given.get, _TEXT_OPTIONS))

        return opening
