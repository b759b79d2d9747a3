"""A process that forks a child for each download, so that the test can kill the child, and the handle to that process.

A fork of a process that has imported everything takes milliseconds; a fresh interpreter takes half a second.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import attrs
import httpx
import pytest
from impact_jobs import JobsClient, JobsError
from impact_jobs._operations import lost_requests
from impact_jobs._operations.planned_files.run import RunOptions, make_files
from impact_jobs._operations.planned_files.values import PlannedFile
from impact_jobs._operations.windows import files
from impact_jobs._tables.arrow import require_pyarrow
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.report_models import ExportWindow

from tests.faults.file_faults import Call as FileCall
from tests.faults.file_faults import Fault, Injector, Watch
from tests.faults.file_scenarios import SCENARIOS, shrink_file_thresholds
from tests.faults.harness import Call, run_download, shrink_thresholds
from tests.faults.sets import SetCall, run_fetch_all

_ROOT: Final = Path(__file__).resolve().parents[2]
SYSTEM_CALLS: Final = ("link", "fsync", "fdatasync", "posix_fallocate", "pwrite", "replace", "unlink")

KillKind: TypeAlias = Literal["none", "at bytes", "before a system call", "after a system call", "by the proxy"]


@attrs.frozen
class KillPoint:
    """When a child kills itself with SIGKILL: at so many bytes, or before or after the n-th call of an `os` function.

    The function "send" is a method of `httpx.Client`.
    """

    kind: KillKind = "none"
    at: int = 0
    function: str = ""


@attrs.frozen
class Outcome:
    """How a child ended: killed, with an error, or with a digest.

    Attributes:
        error: The error's class and message.
        is_ours: Whether the error is a `JobsError`.
        digests: The digest of each job of a set.
        errors: The errors of a set's jobs.
    """

    killed: bool
    error: str = ""
    is_ours: bool = True
    sha256: str | None = None
    resumed_from: int = 0
    digests: dict[str, str] = attrs.field(factory=dict)
    errors: list[str] = attrs.field(factory=list)


class ForkServer:
    """A handle to the process; it runs one child at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forkserver"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._child = 0
        self._started = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def start(
        self, call: Call, account: dict[str, Any], job_id: str, target: Path, *, kill_point: KillPoint = KillPoint()
    ) -> None:
        """Start a download in a child."""
        self._start({"call": attrs.asdict(call), "job_id": job_id, "target": str(target)}, account, kill_point)

    def start_set(
        self,
        call: SetCall,
        account: dict[str, Any],
        ids: Sequence[str],
        folder: Path,
        *,
        kill_point: KillPoint = KillPoint(),
    ) -> None:
        """Start a `fetch_all` in a child."""
        self._start({"call": attrs.asdict(call), "ids": list(ids), "folder": str(folder)}, account, kill_point)

    def start_export(
        self, options: dict[str, Any], account: dict[str, Any], folder: Path, *, kill_point: KillPoint = KillPoint()
    ) -> None:
        """Start an `export_and_download` in a child, in `folder`."""
        self._start({"export": options, "folder": str(folder)}, account, kill_point)

    def start_sync(
        self, files: Sequence[dict[str, Any]], account: dict[str, Any], *, kill_point: KillPoint = KillPoint()
    ) -> None:
        """Start a run of planned files in a child; the fields of each file are given as JSON has them."""
        self._start({"sync": list(files)}, account, kill_point)

    def start_scenario(
        self, name: str, account: dict[str, Any], ids: Sequence[str], folder: Path, fault: Fault
    ) -> None:
        """Start a scenario of single file calls in a child."""
        job = {"scenario": name, "ids": list(ids), "folder": str(folder), "fault": attrs.asdict(fault)}
        self._start(job, account, KillPoint())

    def _start(self, job: dict[str, Any], account: dict[str, Any], kill_point: KillPoint) -> None:
        self._started.clear()
        self._write(job | {"account": account, "kill_point": attrs.asdict(kill_point)})
        self._child = self._read()["child"]
        self._started.set()

    def kill(self) -> None:
        """Kill the child; can be called from any thread."""
        self._started.wait()
        with suppress(ProcessLookupError):
            if self._child:
                os.kill(self._child, signal.SIGKILL)

    def outcome(self) -> Outcome:
        """Wait until the child ends."""
        fields = self._read()
        self._child = 0
        return Outcome(**fields)

    def _write(self, message: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    with pytest.MonkeyPatch.context() as patch:
        shrink_thresholds(patch)
        patch.setattr(httpx, "create_ssl_context", functools.cache(httpx.create_ssl_context))  # before the first fork
        httpx.create_ssl_context()
        for line in sys.stdin.buffer:
            job = json.loads(line)
            if any(file["format"] == "parquet" for file in job.get("sync", ())):
                require_pyarrow()  # imported here, because each child would take half a second
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reading)
                _run_child(job, writing)
            os.close(writing)
            sys.stdout.write(json.dumps({"child": child}) + "\n")
            sys.stdout.flush()
            with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
                answer = pipe.read()
            _, status = os.waitpid(child, 0)
            killed = os.WIFSIGNALED(status)
            sys.stdout.write(json.dumps({"killed": killed} if killed else json.loads(answer)) + "\n")
            sys.stdout.flush()


def _run_child(job: dict[str, Any], writing: int) -> None:
    """Run the job in this process, report how it ended, and exit."""
    kill_point = KillPoint(**job["kill_point"])
    if kill_point.function:
        _kill_around(kill_point)

    answer: dict[str, Any] = {"killed": False}
    try:
        if "scenario" in job:
            _run_scenario(job)
        elif "export" in job:
            os.chdir(job["folder"])
            pytest.MonkeyPatch().setattr(files, "_CONCURRENCY", 1)  # so that the steps have an order
            with JobsClient(**job["account"]) as jobs:
                jobs.export_and_download(**job["export"])
        elif "sync" in job:
            answer |= _sync(job)
        else:
            answer |= _fetch_all(job) if "ids" in job else _download(job, kill_point)
    except BaseException as error:  # noqa: BLE001 - any error is reported
        answer |= {"error": f"{type(error).__name__}: {error}", "is_ours": isinstance(error, JobsError)}
    os.write(writing, json.dumps(answer).encode())
    os._exit(0)


def _download(job: dict[str, Any], kill_point: KillPoint) -> dict[str, Any]:
    def on_progress(done: int, _total: int | None) -> None:
        if kill_point.kind == "at bytes" and done >= kill_point.at:
            _kill_self()

    done = run_download(
        Call(**job["call"]), job["account"], job["job_id"], Path(job["target"]), on_progress=on_progress
    )
    return {"sha256": done.sha256, "resumed_from": done.resumed_from}


def _fetch_all(job: dict[str, Any]) -> dict[str, Any]:
    report = run_fetch_all(SetCall(**job["call"]), job["account"], job["ids"], Path(job["folder"]))
    return {
        "digests": {job_id: found.sha256 for job_id, found in report.files.items()},
        "errors": [f"{type(error).__name__}: {error}" for error in report.errors.values()],
    }


def _sync(job: dict[str, Any]) -> dict[str, Any]:
    patch = pytest.MonkeyPatch()
    patch.setattr(files, "_CONCURRENCY", 1)  # so that the steps have an order
    patch.setattr(lost_requests, "_SETTLED", timedelta())  # the sandbox shows a new job at once
    with JobsClient(**job["account"]) as jobs:
        outcome = run_sync(make_files(jobs._context, [planned_file(each) for each in job["sync"]], RunOptions()))
    errors = [f"{type(each).__name__}: {each}" for each in outcome.outcomes.values() if isinstance(each, JobsError)]
    return {"errors": errors}


def planned_file(fields: dict[str, Any]) -> PlannedFile:
    """Return the file of an account that the test names "north"."""
    window = ExportWindow(date.fromisoformat(fields["start"]), date.fromisoformat(fields["end"]))
    path, refresh = Path(fields["path"]), timedelta(days=fields["refresh"])
    return PlannedFile(
        account="north",
        report=fields["format"],
        report_id="agency_action_listing",
        window=window,
        path=path,
        area=path.parent,
        format=fields["format"],
        refresh=refresh,
    )


def _run_scenario(job: dict[str, Any]) -> None:
    shrink_file_thresholds(pytest.MonkeyPatch())
    folder, fault = Path(job["folder"]), job["fault"]
    injector = Injector(Fault(FileCall(**fault.pop("call")), **fault))
    with Watch(folder, injector).installed():
        SCENARIOS[job["scenario"]].run(job["account"], job["ids"], folder)


def _kill_around(kill_point: KillPoint) -> None:
    owner: Any = httpx.Client if kill_point.function == "send" else os
    real: Callable[..., Any] = getattr(owner, kill_point.function)
    numbers = count(1)

    def counted(*args: Any, **kwargs: Any) -> Any:
        number = next(numbers)  # several threads may call it at the same time
        if number == kill_point.at and kill_point.kind == "before a system call":
            _kill_self()
        try:
            return real(*args, **kwargs)
        finally:  # even if the call failed
            if number == kill_point.at:
                _kill_self()

    setattr(owner, kill_point.function, counted)


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


if __name__ == "__main__":
    _serve()
