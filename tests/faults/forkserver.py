"""A process that forks a child for each download, so that it can be killed; and the handle to it.

Forking from a process with one thread and everything imported costs milliseconds, not the half second of a fresh one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import attrs
import httpx
import pytest
from impact_jobs import JobsError

from tests.faults.harness import Call, carry_out, shrink_thresholds
from tests.faults.sets import SetCall, carry_out_set

_ROOT: Final = Path(__file__).resolve().parents[2]
SYSTEM_CALLS: Final = ("link", "fsync", "fdatasync", "posix_fallocate", "pwrite", "replace", "unlink")

DeathKind: TypeAlias = Literal["none", "at bytes", "before a system call", "after a system call", "by the proxy"]


@attrs.frozen
class Death:
    """When a child kills itself, with SIGKILL: at so many bytes, or around the n-th call of a function of `os`.

    The function "send" is that of an `httpx.Client`.
    """

    kind: DeathKind = "none"
    at: int = 0
    function: str = ""


@attrs.frozen
class Outcome:
    """How a child ended: killed, with an error (its class; whether it is ours), or with a digest.

    Of a set there are digests by job, and the classes of errors.
    """

    killed: bool
    error: str = ""
    is_ours: bool = True
    sha256: str | None = None
    resumed_from: int = 0
    digests: dict[str, str] = attrs.field(factory=dict)
    errors: list[str] = attrs.field(factory=list)


class Zygote:
    """The process, for the tests; one child at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forkserver"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._child = 0
        self._is_born = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def start(self, call: Call, account: dict[str, Any], job_id: str, target: Path, *, death: Death = Death()) -> None:
        """Begin a download in a child."""
        self._start({"call": attrs.asdict(call), "job_id": job_id, "target": str(target)}, account, death)

    def start_set(
        self, call: SetCall, account: dict[str, Any], ids: Sequence[str], folder: Path, *, death: Death = Death()
    ) -> None:
        """Begin a `fetch_all` in a child."""
        self._start({"call": attrs.asdict(call), "ids": list(ids), "folder": str(folder)}, account, death)

    def _start(self, job: dict[str, Any], account: dict[str, Any], death: Death) -> None:
        self._is_born.clear()
        self._say(job | {"account": account, "death": attrs.asdict(death)})
        self._child = self._hear()["child"]
        self._is_born.set()

    def kill(self) -> None:
        """Kill the child; from any thread."""
        self._is_born.wait()
        with suppress(ProcessLookupError):
            if self._child:
                os.kill(self._child, signal.SIGKILL)

    def outcome(self) -> Outcome:
        """Wait for the child's end."""
        told = self._hear()
        self._child = 0
        return Outcome(**told)

    def _say(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    with pytest.MonkeyPatch.context() as patch:
        shrink_thresholds(patch)
        for line in sys.stdin.buffer:
            job = json.loads(line)
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reading)
                _download(job, writing)
            os.close(writing)
            sys.stdout.write(json.dumps({"child": child}) + "\n")
            sys.stdout.flush()
            with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
                told = pipe.read()
            _, status = os.waitpid(child, 0)
            killed = os.WIFSIGNALED(status)
            sys.stdout.write(json.dumps({"killed": killed} if killed else json.loads(told)) + "\n")
            sys.stdout.flush()


def _download(job: dict[str, Any], writing: int) -> None:
    """Be the child, to its end."""
    death = Death(**job["death"])
    if death.function:
        _kill_around(death)

    told: dict[str, Any] = {"killed": False}
    try:
        told |= _of_a_set(job) if "ids" in job else _of_one(job, death)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        told |= {"error": f"{type(error).__name__}: {error}", "is_ours": isinstance(error, JobsError)}
    os.write(writing, json.dumps(told).encode())
    os._exit(0)


def _of_one(job: dict[str, Any], death: Death) -> dict[str, Any]:
    def on_progress(done: int, _total: int | None) -> None:
        if death.kind == "at bytes" and done >= death.at:
            _die()

    done = carry_out(Call(**job["call"]), job["account"], job["job_id"], Path(job["target"]), on_progress=on_progress)
    return {"sha256": done.sha256, "resumed_from": done.resumed_from}


def _of_a_set(job: dict[str, Any]) -> dict[str, Any]:
    report = carry_out_set(SetCall(**job["call"]), job["account"], job["ids"], Path(job["folder"]))
    return {
        "digests": {job_id: found.sha256 for job_id, found in report.files.items()},
        "errors": [f"{type(error).__name__}: {error}" for error in report.errors.values()],
    }


def _kill_around(death: Death) -> None:
    owner: Any = httpx.Client if death.function == "send" else os
    real: Callable[..., Any] = getattr(owner, death.function)
    numbers = count(1)

    def counted(*args: Any, **kwargs: Any) -> Any:
        number = next(numbers)  # threads may be at it together
        if number == death.at and death.kind == "before a system call":
            _die()
        try:
            return real(*args, **kwargs)
        finally:  # be it that it failed
            if number == death.at:
                _die()

    setattr(owner, death.function, counted)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


if __name__ == "__main__":
    _serve()
