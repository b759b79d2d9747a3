"""The ends of processes and their beginnings: no noise, no hang, and no connection used from two of them."""

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

# Whatever hangs, hangs for longer than the process is given.
FOR_EVER = 3600
PATIENCE_SECONDS = 60.0

AS_PYTHON_BEGINS = ("-W", "error", "-W", "ignore::ResourceWarning")

PROLOGUE = f"""
import asyncio, atexit, os, signal, sys, threading
from impact_jobs import AsyncJobsClient, JobsClient
done, slow, running = sys.argv[1:]
begun = threading.Event()
def note(*_):
    begun.set()
def thread(function, daemon):
    threading.Thread(target=function, daemon=daemon).start()
    begun.wait()
def interrupt():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)
def client():
    return JobsClient.from_env(request_timeout={FOR_EVER})
def beat():
    # A signal that comes as the loop is about to sleep is seen when it wakes, and not before: Python's own.
    asyncio.get_running_loop().call_later(0.1, beat)
async def with_client(use):
    beat()
    async with AsyncJobsClient.from_env(request_timeout={FOR_EVER}) as jobs:
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
        """Give what a program prints; it is to say nothing else, and to end."""
        # Every warning is an error, those of resources that are left open, too. (The development mode has
        # asyncio complain of slow machines, so it is not used.)
        ended = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, *(options or ("-W", "error")), "-c", PROLOGUE + code, *self.job_ids],
            env={**os.environ, **self.sandbox.environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
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
        job_ids = sandbox.add_job(), sandbox.add_job(), sandbox.add_job(seconds=FOR_EVER)
        headers = {"Location": f"{storage.url}/slow"}
        sandbox.answer_next("GET", f"{job_ids[1]}/Download", status=302, headers=headers, times=9)
        yield Program(sandbox, job_ids, tmp_path)


DAEMONS = {
    "download": "jobs = client(); thread(lambda: jobs.download(slow, 'a', connections=1, on_progress=note), True)",
    "download by four connections": (
        "jobs = client(); thread(lambda: jobs.download(slow, 'a', connections=4, on_progress=note), True)"
    ),
    "fetch_all": "jobs = client(); thread(lambda: jobs.fetch_all([done, slow], 'all', on_update=note), True)",
    "wait": "jobs = client(); thread(lambda: jobs.wait(running, on_update=note), True)",
    "async download": (
        "thread(lambda: asyncio.run(with_client(lambda jobs: jobs.download(slow, 'a', on_progress=note))), True)"
    ),
    "async wait": "thread(lambda: asyncio.run(with_client(lambda jobs: jobs.wait(running, on_update=note))), True)",
}


@pytest.mark.parametrize("code", DAEMONS.values(), ids=DAEMONS)
def test_a_daemon_s_work_does_not_hold_up_the_end(code: str, program: Program) -> None:
    assert program.run(code) == ""


THREADS = {
    "download": "thread(lambda: (client().download(done, 'a', on_progress=note), print('ok')), False)",
    "download by four connections": (
        "thread(lambda: client().download(done, 'a', connections=4, on_progress=note).connections == 4"
        " and print('ok'), False)"
    ),
    "async download": (
        "thread(lambda: asyncio.run(with_client(lambda jobs: jobs.download(done, 'a', on_progress=note))), False)"
    ),
    "at exit": "jobs = client(); atexit.register(lambda: (jobs.download(done, 'a', connections=1), print('ok')))",
    "async at exit": "atexit.register(lambda: asyncio.run(with_client(lambda jobs: jobs.download(done, 'a'))))",
    "close at exit": "jobs = client(); jobs.get(done); atexit.register(lambda: (jobs.close(), print('ok')))",
}


@pytest.mark.parametrize("code", THREADS.values(), ids=THREADS)
def test_work_after_the_main_program_is_done_all_the_same(code: str, program: Program) -> None:
    assert program.run(code) == "ok\n"


LEFT_OPEN = {
    "a client": "jobs = client(); jobs.get(done); list(jobs.list()); jobs.download(done, 'a')",
    "a client without use": "jobs = client(); twin = jobs.with_options(); other = AsyncJobsClient.from_env()",
    "an async client that downloaded": "jobs = AsyncJobsClient.from_env(); asyncio.run(jobs.download(done, 'a'))",
    "a stream that nobody entered": "jobs = client(); left = jobs.stream(done), jobs.list(), jobs.as_completed([done])",
    "the same of an async client": (
        "jobs = AsyncJobsClient.from_env(); left = jobs.stream(done), jobs.list(), jobs.as_completed([done])"
    ),
    "a stream that nobody left": "jobs = client(); stream = jobs.stream(done); stream.__enter__(); next(iter(stream))",
    "a file": "jobs = client(); file = jobs.open(done); file.read(10)",
    "an iterator": "jobs = client(); next(iter(jobs.list())); next(iter(jobs.as_completed([done])))",
}


@pytest.mark.parametrize("code", LEFT_OPEN.values(), ids=LEFT_OPEN)
def test_what_is_left_open_makes_no_noise(code: str, program: Program) -> None:
    assert program.run(code) == ""


def test_an_async_client_that_is_left_open_makes_none_unless_such_warnings_are_wanted(program: Program) -> None:
    assert program.run("jobs = AsyncJobsClient.from_env(); asyncio.run(jobs.get(done))", *AS_PYTHON_BEGINS) == ""


INTERRUPTED = {
    "wait": "client().wait(running, on_update=note)",
    "download": "client().download(slow, 'a', connections=1, on_progress=note)",
    "download by four connections": "client().download(slow, 'a', connections=4, on_progress=note)",
    "async wait": "asyncio.run(with_client(lambda jobs: jobs.wait(running, on_update=note)))",
    "async download": "asyncio.run(with_client(lambda jobs: jobs.download(slow, 'a', on_progress=note)))",
}


@pytest.mark.parametrize("code", INTERRUPTED.values(), ids=INTERRUPTED)
def test_ctrl_c_ends_it_at_once_and_is_all_that_is_raised(code: str, program: Program) -> None:
    start = "threading.Thread(target=interrupt, daemon=True).start()\n"
    assert (
        program.run(f"{start}try:\n    {code}\nexcept KeyboardInterrupt:\n    print('interrupted')") == "interrupted\n"
    )


# Other processes


FORKED = """
import warnings
warnings.simplefilter("ignore")  # later versions of Python warn of forks beside threads
def told(call):
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


def test_a_client_is_refused_on_the_other_side_of_a_fork_and_goes_on_on_its_own(program: Program) -> None:
    code = """
jobs = client()
stream = jobs.stream(done)
stream.__enter__()
chunks = iter(stream)
def child():
    for call in (lambda: jobs.get(done), lambda: jobs.replay(done), lambda: jobs.download(done, "a"),
                 lambda: jobs.wait(running), lambda: next(chunks)):
        told(call)
    stream.__exit__(None, None, None)
    jobs.close()
    told(lambda: client().get(done).status)
in_child(child)
told(lambda: len(b"".join(chunks)))
stream.__exit__(None, None, None)
told(lambda: jobs.get(done).status)
"""
    assert program.run(FORKED + code) == REFUSED * 5 + "COMPLETED\n300000\nCOMPLETED\n"
    assert [request.method for request in program.sandbox.requests].count("PUT") == 0


def test_so_is_an_asynchronous_one(program: Program) -> None:
    code = """
jobs = AsyncJobsClient.from_env()
asyncio.run(jobs.download(done, "a"))
def child():
    for call in (jobs.get, jobs.replay, lambda job: jobs.download(job, "b"), lambda _: jobs.aclose()):
        told(lambda: asyncio.run(call(done)))
in_child(child)
"""
    assert program.run(FORKED + code) == REFUSED * 3 + "None\n"


@pytest.mark.parametrize("client", [JobsClient, AsyncJobsClient])
def test_a_client_is_neither_pickled_nor_copied_in_depth(client: type[JobsClient | AsyncJobsClient]) -> None:
    for take in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="create the client anew in the other process"):
            take(client("IR1", "token"))


def status_of(job_id: str, environ: dict[str, str]) -> str:
    os.environ.update(environ)
    with JobsClient.from_env() as jobs:
        return jobs.get(job_id).status


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_makes_its_own(method: str, sandbox: Sandbox) -> None:
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
    # Its connections are those of a loop that is gone, so asyncio would warn that one was left open.
    assert program.run(code, *AS_PYTHON_BEGINS) == said * 5


def test_without_asyncio_it_names_the_way(sandbox: Sandbox) -> None:
    """As trio would drive it, whose tasks have no event loop of asyncio."""
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
