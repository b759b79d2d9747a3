"""A process that forks a child for each run of a plan, which may kill itself, and the handle to that process."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import httpx
from impact_jobs import JobsClient
from impact_jobs.sync import Plan
from impact_jobs.toolkit import use_clock

from tests.sync.nights.shared_clock import SharedClock

_ROOT: Final = Path(__file__).resolve().parents[3]
_STEPS: Final = ("link", "fsync", "fdatasync", "pwrite", "replace", "unlink")


@attrs.frozen(kw_only=True)
class Run:
    """How to run a plan.

    Attributes:
        kill_at: Before which step, from 1, the process kills itself: a request or a call for a file; 0 for never.
        behind: By how many seconds its wall clock is behind.
    """

    kill_at: int = 0
    behind: float = 0.0


@attrs.frozen(kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        killed: Whether it has killed itself.
        error: What it raised.
        left: The files that are left.
        failed: The errors of files, by the file.
    """

    killed: bool = False
    error: str = ""
    left: list[str] = attrs.field(factory=list)
    failed: dict[str, str] = attrs.field(factory=dict)


class Runner:
    """A handle to the process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.sync.nights.runner"]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def run(self, path: Path, credentials: dict[str, dict[str, Any]], clock: Path, *runs: Run) -> list[Outcome]:
        """Run a plan in as many processes at once as there are runs, and wait for all."""
        message = {"path": str(path), "credentials": credentials, "clock": str(clock)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**message, "runs": list(map(attrs.asdict, runs))}).encode() + b"\n")
        self._process.stdin.flush()
        return [Outcome(**outcome) for outcome in json.loads(self._process.stdout.readline())]


def _serve() -> None:
    httpx.create_ssl_context = functools.cache(httpx.create_ssl_context)  # before the first fork
    httpx.create_ssl_context()
    for line in sys.stdin.buffer:
        job = json.loads(line)
        children = [_start(job, Run(**run)) for run in job["runs"]]
        sys.stdout.write(json.dumps([_wait(child, pipe) for child, pipe in children]) + "\n")
        sys.stdout.flush()


def _start(job: dict[str, Any], run: Run) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, json.dumps(attrs.asdict(_outcome(job, run))).encode())
        os._exit(0)
    os.close(writing)
    return child, reading


def _wait(child: int, pipe: int) -> dict[str, Any]:
    with open(pipe, "rb") as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    return {"killed": True} if os.WIFSIGNALED(status) else dict(json.loads(answer))


def _outcome(job: dict[str, Any], run: Run) -> Outcome:
    """Run the plan in this process."""
    if run.kill_at:
        _kill_before(run.kill_at)
    clock = SharedClock(Path(job["clock"]))
    clock.behind = run.behind
    try:
        with ExitStack() as stack:
            stack.enter_context(use_clock(clock))
            clients = {name: stack.enter_context(JobsClient(**each)) for name, each in job["credentials"].items()}
            report = Plan.load(job["path"]).run(clients=clients)
    except BaseException as error:  # noqa: BLE001 - any error is reported
        return Outcome(error=f"{type(error).__name__}: {error}")
    failed = {str(each.file.path): f"{type(each.error).__name__}: {each.error}" for each in report.failed}
    return Outcome(left=[str(each.file.path) for each in report.left], failed=failed)


def _kill_before(number: int) -> None:
    steps, lock = count(1), threading.Lock()
    owners: Sequence[tuple[Any, str]] = [(httpx.Client, "send"), *((os, name) for name in _STEPS)]
    for owner, name in owners:
        setattr(owner, name, _counted(getattr(owner, name), steps=steps, lock=lock, number=number))


def _counted(real: Callable[..., Any], *, steps: count[int], lock: threading.Lock, number: int) -> Callable[..., Any]:
    @functools.wraps(real)
    def counted(*args: Any, **kwargs: Any) -> Any:
        with lock:
            if next(steps) == number:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()
        return real(*args, **kwargs)

    return counted


if __name__ == "__main__":
    _serve()
