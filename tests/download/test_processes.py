"""The start and the end of processes: no noise, no hang, and no connection that two processes share."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest
from attrs import frozen
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient
from impact_jobs.sandbox import Sandbox

from tests.support.raw_server import Asked, Reply, serving, storing

HANG_SECONDS = 3600  # longer than a process may run
PROCESS_SECONDS = 60.0

DEFAULT_WARNINGS = ("-W", "error", "-W", "ignore::ResourceWarning")

PROLOGUE = f"""
import asyncio, atexit, os, pathlib, signal, sys, threading, time
from impact_jobs import AsyncJobsClient, JobsClient
done, slow, running = sys.argv[1:]
started = threading.Event()
def note(*_):
    started.set()
def thread(function, daemon):
    started.clear()
    threading.Thread(target=function, daemon=daemon).start()
    started.wait()
def interrupt():
    started.wait()
    os.kill(os.getpid(), signal.SIGINT)
def client():
    return JobsClient.from_env(request_timeout={HANG_SECONDS})
def beat():
    # Python handles a signal that arrives just before the event loop sleeps only once the loop wakes up.
    asyncio.get_running_loop().call_later(0.1, beat)
async def with_client(use):
    beat()
    async with AsyncJobsClient.from_env(request_timeout={HANG_SECONDS}) as jobs:
        await use(jobs)
        print("ok")
"""


@frozen
class Program:
    """Runs programs against a sandbox with three jobs: one is done, one's result stalls, one never ends."""

    sandbox: Sandbox
    job_ids: tuple[str, str, str]
    folder: os.PathLike[str]

    def run(self, code: str, *options: str) -> str:
        """Return the output of a program, which must end and must not write to stderr."""
        # Every warning is an error, including those about resources that are left open. Not in development mode, in
        # which asyncio complains about slow machines.
        ended = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, *(options or ("-W", "error")), "-c", PROLOGUE + code, *self.job_ids],
            env={**os.environ, **self.sandbox.environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PROCESS_SECONDS,
            check=False,
        )
        assert (ended.stderr, ended.returncode) == ("", 0)
        return ended.stdout


def stalling(asked: Asked) -> Reply:
    whole = storing(bytes(60_000))(asked)
    assert isinstance(whole.body, bytes)
    begin = whole.body[:1000]

    def body() -> Iterator[bytes]:
        yield begin
        asked.over.wait()

    return Reply(status=whole.status, headers=whole.headers, body=body())


@pytest.fixture
def program(sandbox: Sandbox, tmp_path: os.PathLike[str]) -> Iterator[Program]:
    with serving(stalling) as storage:
        job_ids = sandbox.add_job(), sandbox.add_job(), sandbox.add_job(seconds=HANG_SECONDS)
        headers = {"Location": f"{storage.url}/slow"}
        sandbox.answer_next("GET", f"{job_ids[1]}/Download", status=302, headers=headers, times=50)
        yield Program(sandbox, job_ids, tmp_path)


# One process runs all programs of a list, because its start takes longer than they do.

# Each thread is blocked when the process ends: CPython may crash if many daemon threads are running Python code then.
DAEMONS = """
def wait_for(pattern, size):
    while sum(path.stat().st_size for path in pathlib.Path().glob(pattern)) < size:
        time.sleep(0.01)
jobs = client()
thread(lambda: jobs.download(slow, 'a', connections=1, on_progress=note), True)
thread(lambda: jobs.download(slow, 'b', connections=4, on_progress=note), True)
thread(lambda: jobs.fetch_all([done, slow], 'all', on_update=note), True)
thread(lambda: asyncio.run(with_client(lambda jobs: jobs.download(slow, 'c', on_progress=note))), True)
wait_for('a.part', 1_000)
wait_for('b.part', 46_000)
wait_for(f'all/{slow}*.part', 1_000)
wait_for(f'all/{done}.csv', 300_000)
wait_for('c.part', 1_000)
thread(lambda: jobs.wait(running, on_update=note), True)
thread(lambda: asyncio.run(with_client(lambda jobs: jobs.wait(running, on_update=note))), True)
"""


def test_daemon_threads_do_not_delay_the_end_of_the_process(program: Program) -> None:
    assert program.run(DAEMONS) == ""


THREADS = """
thread(lambda: (client().download(done, 'a', on_progress=note), print('ok')), False)
thread(lambda: client().download(done, 'b', connections=4, on_progress=note).connections == 4 and print('ok'), False)
thread(lambda: asyncio.run(with_client(lambda jobs: jobs.download(done, 'c', on_progress=note))), False)
"""
AT_EXIT = """
first, second = client(), client()
second.get(done)
atexit.register(lambda: (first.download(done, 'a', connections=1), print('ok')))
atexit.register(lambda: asyncio.run(with_client(lambda jobs: jobs.download(done, 'b'))))
atexit.register(lambda: (second.close(), print('ok')))
"""


@pytest.mark.parametrize("code", [THREADS, AT_EXIT], ids=["threads", "at exit"])
def test_work_is_completed_after_the_main_program_has_ended(code: str, program: Program) -> None:
    assert program.run(code) == "ok\n" * 3


LEFT_OPEN = [
    "jobs = client(); jobs.get(done); list(jobs.list()); jobs.download(done, 'a')",
    "jobs = client(); twin = jobs.with_options(); other = AsyncJobsClient.from_env()",
    "jobs = AsyncJobsClient.from_env(); asyncio.run(jobs.download(done, 'b'))",
    "jobs = client(); left = jobs.stream(done), jobs.list(), jobs.as_completed([done])",
    "jobs = AsyncJobsClient.from_env(); left = jobs.stream(done), jobs.list(), jobs.as_completed([done])",
    "jobs = client(); stream = jobs.stream(done); stream.__enter__(); next(iter(stream))",
    "jobs = client(); file = jobs.open(done); file.read(10)",
    "jobs = client(); next(iter(jobs.list())); next(iter(jobs.as_completed([done])))",
]


def test_objects_that_are_left_open_cause_no_warnings(program: Program) -> None:
    # Each has variables of its own, so that all of them are still alive when the process ends.
    code = f"spaces = [dict(globals()) for _ in range({len(LEFT_OPEN)})]\n"
    code += "".join(f"exec({snippet!r}, spaces[{number}])\n" for number, snippet in enumerate(LEFT_OPEN))
    assert program.run(code) == ""


def test_an_async_client_that_is_left_open_causes_no_warning_by_default(program: Program) -> None:
    assert program.run("jobs = AsyncJobsClient.from_env(); asyncio.run(jobs.get(done))", *DEFAULT_WARNINGS) == ""


INTERRUPTED = """
def interrupted(call):
    started.clear()
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted")
interrupted(lambda: client().wait(running, on_update=note))
interrupted(lambda: client().download(slow, 'a', connections=1, on_progress=note))
interrupted(lambda: client().download(slow, 'b', connections=4, on_progress=note))
interrupted(lambda: asyncio.run(with_client(lambda jobs: jobs.wait(running, on_update=note))))
interrupted(lambda: asyncio.run(with_client(lambda jobs: jobs.download(slow, 'c', on_progress=note))))
"""


def test_ctrl_c_ends_a_call_at_once_with_keyboard_interrupt_alone(program: Program) -> None:
    assert program.run(INTERRUPTED) == "interrupted\n" * 5


# Other processes


FORKED = """
import warnings
warnings.simplefilter("ignore")  # later versions of Python warn about forking a process with threads
def show(call):
    try:
        print(call())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
def in_child(function):
    sys.stdout.flush()
    if not (child := os.fork()):
        function()
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
REFUSED = "ConfigurationError: this client was made before a fork: make a new one in the child process.\n"


def test_a_forked_child_cannot_use_a_client_and_the_parent_still_can(program: Program) -> None:
    code = """
jobs = client()
stream = jobs.stream(done)
stream.__enter__()
chunks = iter(stream)
def child():
    for call in (lambda: jobs.get(done), lambda: jobs.replay(done), lambda: jobs.download(done, "a"),
                 lambda: jobs.wait(running), lambda: next(chunks)):
        show(call)
    stream.__exit__(None, None, None)
    jobs.close()
    show(lambda: client().get(done).status)
in_child(child)
show(lambda: len(b"".join(chunks)))
stream.__exit__(None, None, None)
show(lambda: jobs.get(done).status)
"""
    assert program.run(FORKED + code) == REFUSED * 5 + "COMPLETED\n300000\nCOMPLETED\n"
    assert [request.method for request in program.sandbox.requests].count("PUT") == 0


def test_a_forked_child_cannot_use_an_asynchronous_client(program: Program) -> None:
    code = """
jobs = AsyncJobsClient.from_env()
asyncio.run(jobs.download(done, "a"))
def child():
    for call in (jobs.get, jobs.replay, lambda job: jobs.download(job, "b"), lambda _: jobs.aclose()):
        show(lambda: asyncio.run(call(done)))
in_child(child)
"""
    assert program.run(FORKED + code) == REFUSED * 3 + "None\n"


@pytest.mark.parametrize("client", [JobsClient, AsyncJobsClient])
def test_a_client_can_be_neither_pickled_nor_deep_copied(client: type[JobsClient | AsyncJobsClient]) -> None:
    for take in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="create the client anew in the other process"):
            take(client("IR1", "token"))


def status_of(job_id: str, environ: dict[str, str]) -> str:
    os.environ.update(environ)
    with JobsClient.from_env() as jobs:
        return jobs.get(job_id).status


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_process_creates_its_own_client(method: str, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(status_of, (job_id, sandbox.environ)) == "COMPLETED"
        with sandbox.client() as jobs, pytest.raises(TypeError, match="create the client anew"):
            pool.apply(jobs.get, (job_id,))
        pool.terminate()
        pool.join()


# Other loops


def test_an_asynchronous_client_belongs_to_one_event_loop(program: Program) -> None:
    code = """
jobs = AsyncJobsClient.from_env()
async def raised(use):
    try:
        await use(done)
    except Exception as error:
        print(type(error).__name__, str(error).partition(":")[0])
asyncio.run(jobs.get(done))
for use in (jobs.get, jobs.replay, lambda job: jobs.download(job, "a"), jobs.wait, lambda _: jobs.aclose()):
    asyncio.run(raised(use))
"""
    said = "ConfigurationError this client belongs to another event loop\n"
    # Without ResourceWarning, because its connections belong to a loop that is closed.
    assert program.run(code, *DEFAULT_WARNINGS) == said * 5


def test_the_asynchronous_client_outside_asyncio_names_the_alternative(sandbox: Sandbox) -> None:
    """As under trio, whose tasks have no asyncio event loop."""
    jobs, job_id = sandbox.async_client(), sandbox.add_job()
    for coroutine in (
        jobs.get(job_id),
        jobs.wait(job_id),
        jobs.replay(job_id),
        jobs.download(job_id, "never"),
        jobs.wait_all([job_id]),
        jobs.stream(job_id).__aenter__(),
    ):
        with pytest.raises(ConfigurationError, match=r"asyncio alone.*trio.*JobsClient in a thread"):
            coroutine.send(None)
    assert sandbox.requests == ()


def test_the_blocking_client_works_inside_a_running_loop(program: Program) -> None:
    """As in a notebook."""
    code = """
async def cell():
    with client() as jobs:
        list(jobs.list())
        with jobs.stream(done) as chunks:
            print(sum(map(len, chunks)), jobs.download(done, "a").bytes_written, jobs.wait(done).status)
asyncio.run(cell())
"""
    assert program.run(code) == "300000 300000 COMPLETED\n"
