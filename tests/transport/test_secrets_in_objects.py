"""Neither our objects, nor our frames during a call, nor child processes show a secret."""

from __future__ import annotations

import asyncio
import base64
import copy
import faulthandler
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

import attrs
import pytest
from impact_agency_api.api.jobs import get_job
from impact_jobs import AsyncJobsClient, FetchReport, JobFailedError, JobsClient, JobsError, Retry
from impact_jobs._api.parsing import parse_job
from impact_jobs._redaction import Secret

from tests.support.driving import Driven
from tests.support.raw_server import Answer, Asked, RawServer, Reply, serving, storing

TOKEN = "canary-token-6d1f"
SIGNATURE = "canary-signature-77aa"
SID = "IR1"
BASIC = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
SECRETS = (TOKEN, BASIC, SIGNATURE)
JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
LINK = f"https://storage.example/a?sig={SIGNATURE}"
JOB = {"Id": JOB_ID, "Status": "FAILED", "StatusMessage": f"see {LINK}", "ResultUri": LINK, "Extra": LINK}
ONCE = Retry(attempts=1)

AnyKind = type[JobsClient | AsyncJobsClient]
kinds = pytest.mark.parametrize("kind", [JobsClient, AsyncJobsClient], ids=lambda kind: kind.__name__)


def shown(thing: object) -> str:
    """Return what printing an object, its attributes and its fields shows, and the same for a copy."""
    found = [f"{thing!r} {thing} {[thing]}"]
    for each in (thing, *([] if isinstance(thing, Secret) else [copy.copy(thing)])):
        found += [repr(vars(each))] if hasattr(each, "__dict__") else []
        found += [repr(attrs.asdict(each))] if attrs.has(type(each)) else []  # type: ignore[arg-type] # mypy: any class
    return "\n".join(found)


@kinds
def test_neither_a_client_nor_its_parts_show_the_token(kind: AnyKind) -> None:
    jobs = kind(SID, TOKEN)
    context, transport = jobs._context, jobs._transport
    parts = [
        jobs,
        jobs.with_options(),
        jobs.generated,
        context,
        context.account,
        context.account.token,
        transport,
        transport.builder,
        transport.api,
    ]
    for part in parts:
        for secret in (TOKEN, BASIC):
            assert secret not in shown(part), type(part)
    for part in (jobs, jobs.with_options(), context, context.account, context.account.token):
        for take in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="create the client anew"):
                take(part)


def a_result(raw: dict[str, Any], folder: Path) -> tuple[Any, ...]:
    """Return a job, its download, a report about it, and an error that holds it."""
    job = parse_job(raw)
    with serving(storing(b"a,b,c")) as storage:
        headers = {"Location": f"{storage.url}/a?sig={SIGNATURE}", "Content-Length": "0"}
        with (
            serving(lambda _: Reply(status=302, headers=headers)) as api,
            JobsClient(SID, TOKEN, base_url=api.url) as jobs,
        ):
            found = jobs.download(job, folder / "a")
    failure = JobFailedError.of(job)
    return job, found, FetchReport(directory=folder, outcomes={JOB_ID: found, "x": failure}), failure


def test_a_link_in_a_job_is_shown_without_its_signature(tmp_path: Path) -> None:
    for thing in a_result(JOB, tmp_path):
        assert SIGNATURE not in f"{thing!r} {thing}"
    assert "https://storage.example/a?***" in repr(parse_job(JOB))


def test_a_pickled_job_holds_the_fields_of_the_server_and_no_other_secret(tmp_path: Path) -> None:
    """The fields of a job are the account's data; the link of the redirect is not part of it."""
    for thing in a_result(JOB, tmp_path):
        assert SIGNATURE.encode() in pickle.dumps(thing)
        assert TOKEN.encode() not in pickle.dumps(thing)
    (folder := tmp_path / "plain").mkdir()
    for thing in a_result({"Id": JOB_ID, "Status": "FAILED"}, folder):
        for secret in SECRETS:
            assert secret.encode() not in pickle.dumps(thing) + pickle.dumps(copy.deepcopy(thing))
            assert secret not in shown(thing)


def test_errors_of_the_generated_client_hold_no_secret() -> None:
    body = f'{{"Message": "Basic {BASIC} {TOKEN} {LINK}"}}'.encode()
    for status in (200, 403, 500):
        reply = Reply(status=status, headers={"Content-Length": str(len(body))}, body=body)
        with serving(lambda _, reply=reply: reply) as api, JobsClient(SID, TOKEN, base_url=api.url) as jobs:  # type: ignore[misc]
            link: BaseException | None = None
            try:
                get_job.sync_detailed(SID, UUID(JOB_ID), client=jobs.generated)
            except JobsError as error:
                link = error
            assert (link is None) == (status == 200)
            while link is not None:
                text = "".join(traceback.TracebackException.from_exception(link, capture_locals=True).format())
                ours = "".join(part for part in text.split("  File ") if "/impact_jobs/" in part.partition(",")[0])
                for secret in SECRETS:
                    assert secret not in ours + str(link) + repr(vars(link))
                link = link.__cause__ or link.__context__


# During a call


def frames_of_threads() -> Iterator[FrameType]:
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            yield from (found for found, _ in traceback.walk_stack(frame))


def frames_of_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[FrameType]:
    for task in asyncio.all_tasks(loop):
        awaited: Any = task.get_coro()
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
            if frame is not None:
                yield frame
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)


def locals_of(frames: Iterator[FrameType]) -> tuple[str, str]:
    """Return what our frames show, and what those of httpx and httpcore show."""
    summary = traceback.StackSummary.extract(((frame, frame.f_lineno) for frame in frames), capture_locals=True)
    ours = [f"{found.name} {found.locals}" for found in summary if "/impact_jobs/" in found.filename]
    theirs = [f"{found.name} {found.locals}" for found in summary if "/http" in found.filename]
    return "\n".join(ours), "\n".join(theirs)


def locals_during_a_call(loop: asyncio.AbstractEventLoop) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return what the frames of threads and of tasks show, once those of a call are among them."""
    for _ in range(1000):
        of_threads, of_tasks = locals_of(frames_of_threads()), locals_of(frames_of_tasks(loop))
        if "context" in of_threads[0] + of_tasks[0]:
            break
        time.sleep(0.005)  # because a task that runs at this very moment shows only its first frame
    return of_threads, of_tasks


def silent(asked: Asked) -> Reply:
    asked.over.wait()
    return Reply(ends=True)


def stalling(asked: Asked) -> Reply:
    def body() -> Iterator[bytes]:
        yield bytes(5000)
        asked.over.wait()

    return Reply(headers={"Content-Length": "60000"}, body=body(), ends=True)


CALLS: dict[str, tuple[Callable[[Any, Path], object], Answer | None]] = {
    "get": (lambda jobs, _: jobs.get(JOB_ID), None),
    "replay": (lambda jobs, _: jobs.replay(JOB_ID), None),
    "the head of a result": (lambda jobs, folder: jobs.download(JOB_ID, folder / "a"), silent),
    "the body of a result": (lambda jobs, folder: jobs.download(JOB_ID, folder / "a"), stalling),
}


@kinds
@pytest.mark.parametrize("call", CALLS)
def test_our_frames_show_no_secret_during_a_call(kind: AnyKind, call: str, tmp_path: Path) -> None:
    """`TracebackException(capture_locals=True)`, `faulthandler` and debuggers show frames of all threads."""
    use, storage_answer = CALLS[call]
    under_way = threading.Event()

    def telling(answer: Answer) -> Answer:
        def tell(asked: Asked) -> Reply:
            reply = answer(asked)
            under_way.set()
            return reply

        return tell

    def waiting(asked: Asked) -> Reply:
        under_way.set()
        return silent(asked)

    loops: list[asyncio.AbstractEventLoop] = []

    def run(api: RawServer) -> None:
        with asyncio.Runner() as runner, suppress(JobsError):
            loops.append(runner.get_loop())
            client = kind(SID, TOKEN, base_url=api.url, retry=ONCE)
            with client if isinstance(client, JobsClient) else Driven(client, runner) as jobs:
                use(jobs, tmp_path)

    with serving(waiting if storage_answer is not stalling else telling(stalling)) as storage:
        headers = {"Location": f"{storage.url}/a?sig={SIGNATURE}", "Content-Length": "0"}
        with serving(waiting if storage_answer is None else lambda _: Reply(status=302, headers=headers)) as api:
            thread = threading.Thread(target=run, args=(api,))
            thread.start()
            under_way.wait()
            with (tmp_path / "dump").open("w+") as file:
                faulthandler.dump_traceback(file, all_threads=True)
                file.seek(0)
                dumped = file.read()
            (ours, theirs), of_tasks = locals_during_a_call(loops[0])
            # Let the servers respond, so that the calls end.
            for server in (storage, api):
                for asked in server.asked:
                    asked.over.set()
            thread.join()
    assert "impact_jobs" in dumped or of_tasks[0]
    assert "context" in ours + of_tasks[0], "our frames must be there, or this test proves nothing"
    for secret in SECRETS:
        assert secret not in dumped + ours + of_tasks[0]
    if storage_answer is silent:
        assert SIGNATURE in theirs, "as SECURITY.md says, requests of httpx show their URLs"


# Child processes


CHILD = """
import os
from pathlib import Path
print(dict(os.environ), [path.resolve() for path in Path("/proc/self/fd").iterdir()])
"""


@kinds
def test_a_child_process_inherits_neither_token_nor_connection(kind: AnyKind) -> None:
    """Variables that `from_env` reads stay in the environment."""
    before = dict(os.environ)
    body = f'{{"Id": "{JOB_ID}", "Status": "RUNNING"}}'.encode()
    reply = Reply(headers={"Content-Length": str(len(body))}, body=body)
    with serving(lambda _: reply) as api, asyncio.Runner() as runner:
        client = kind(SID, TOKEN, base_url=api.url)
        with client if isinstance(client, JobsClient) else Driven(client, runner) as jobs:
            assert jobs.get(JOB_ID).status == "RUNNING"
            output = subprocess.run(  # noqa: S603 - our own code
                [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, close_fds=False
            ).stdout
            assert api.connections == 1, "the connection is still open"
    assert dict(os.environ) == before
    assert "socket:" not in output
    for secret in SECRETS:
        assert secret not in output
