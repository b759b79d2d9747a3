"""Starting and stopping, concurrency, logging, imports, and the sandbox as a process."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._fault_middleware import send_body

from .conftest import connect


def open_files() -> int:
    gc.collect()  # closes sockets of earlier tests
    return len(list(Path("/proc/self/fd").iterdir()))


def test_close_ends_all_threads_and_connections() -> None:
    with Sandbox():  # initializes what is created only once
        pass
    threads, files = threading.enumerate(), open_files()
    with Sandbox(job_seconds=0, result_bytes=10**9) as sandbox, connect(sandbox) as api:
        link = sandbox.result_url(sandbox.add_job())
        sandbox.answer_next("GET", "/Reports", status=200, delay=60)
        with pytest.raises(httpx.ReadTimeout):
            api.get("/Reports", timeout=0.05)
        with httpx.Client(trust_env=False) as storage, storage.stream("GET", link) as answer:
            # During a download and a delayed response, and with an idle connection.
            assert next(answer.iter_raw())
            api.get("/Jobs")
            started = time.monotonic()
            sandbox.close()
            assert time.monotonic() - started < 5
    assert threading.enumerate() == threads
    assert open_files() == files
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.base_url, trust_env=False)


def test_closing_leaks_no_connection_that_is_being_accepted(caplog: pytest.LogCaptureFixture) -> None:
    def connect_repeatedly(address: tuple[str, int], closed: threading.Event) -> None:
        while not closed.is_set():
            with suppress(OSError), socket.create_connection(address, timeout=0.2) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    files = open_files()
    for _ in range(3):
        closed = threading.Event()
        with ThreadPoolExecutor(3) as pool:
            with Sandbox() as sandbox:
                host, port = sandbox.base_url.removeprefix("http://").split(":")
                for _ in range(3):
                    pool.submit(connect_repeatedly, (host, int(port)), closed)
                deadline = time.monotonic() + 5
                while not sandbox.requests and time.monotonic() < deadline:
                    pass
            closed.set()
    assert open_files() == files
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_ten_sandboxes_start_and_stop_within_seconds() -> None:
    started = time.monotonic()
    for _ in range(10):
        with Sandbox():
            pass
    assert time.monotonic() - started < 5


def test_a_response_does_not_wait_for_an_acknowledgement() -> None:
    # Without TCP_NODELAY, each request but the first takes over 40 ms. The fastest of 20 is robust on a busy machine.
    def seconds_of_a_request(api: httpx.Client) -> float:
        started = time.monotonic()
        api.get("/Jobs")
        return time.monotonic() - started

    with Sandbox() as sandbox, connect(sandbox) as api:
        seconds_of_a_request(api)
        assert min(seconds_of_a_request(api) for _ in range(20)) < 0.03


def test_jobs_are_available_before_the_start_and_after_the_end() -> None:
    sandbox = Sandbox()
    assert repr(sandbox) == "<Sandbox not started>"
    for address in ("base_url", "storage_url", "environ"):
        with pytest.raises(RuntimeError, match="before it is started"):
            getattr(sandbox, address)
    job_id = sandbox.add_job(seconds=0)
    with pytest.raises(RuntimeError, match="before it is started"):
        sandbox.result_url(job_id)
    with sandbox, connect(sandbox) as api:
        assert api.get(f"/Jobs/{job_id}").status_code == 200
        assert sandbox.auth_token not in repr(sandbox)
        with pytest.raises(RuntimeError, match="is running already"):
            sandbox.start()
    sandbox.close()
    assert sandbox.job_ids == (job_id,)
    assert len(sandbox.requests) == 1


def test_several_sandboxes_run_at_once() -> None:
    with Sandbox(seed=1) as first, Sandbox(seed=2) as second:
        assert len({first.base_url, first.storage_url, second.base_url, second.storage_url}) == 4
        with connect(first) as one, connect(second) as two:
            first.add_job()
            assert (len(one.get("/Jobs").json()), len(two.get("/Jobs").json())) == (1, 0)
            unauthorized = one.get(f"{second.base_url}/Agencies/{second.account_sid}/Jobs")
            assert unauthorized.status_code == 401


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("which", ["port", "storage_port"])
def test_a_taken_port_is_an_error_and_leaks_nothing(which: str) -> None:
    with taken_port() as port:
        files = open_files()
        with pytest.raises(OSError, match="in use"):
            Sandbox(**{which: port}).start()  # type: ignore[arg-type]
        assert open_files() == files


def test_a_port_can_be_chosen_and_reused() -> None:
    with taken_port() as port:
        pass
    with Sandbox(port=port) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{port}"
    with Sandbox(port=port) as sandbox:  # free again at once
        assert sandbox.base_url.endswith(str(port))


@pytest.mark.parametrize(
    "option",
    [
        {"job_seconds": -1},
        {"result_bytes": -1},
        {"result_bytes": 10**20},
        {"link_seconds": 0},
        {"hourly_budget": -1},
        {"budget_headers": "some"},
        {"list_shape": "tree"},
        {"page_size": 0},
        {"port": 65_536},
        {"storage_port": -1},
    ],
)
def test_invalid_options_are_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        Sandbox(**option)  # type: ignore[arg-type]


def test_a_sandbox_can_run_inside_an_event_loop() -> None:
    async def ask() -> list[int]:
        with Sandbox(job_seconds=0) as sandbox:
            sandbox.add_job()
            auth = (sandbox.account_sid, sandbox.auth_token)
            async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
                url = f"{sandbox.base_url}/Agencies/{sandbox.account_sid}/Jobs"
                answers = await asyncio.gather(*(client.get(url) for _ in range(20)))
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200] * 20


def test_concurrent_threads_neither_lose_nor_duplicate_jobs() -> None:
    def work(sandbox: Sandbox) -> list[str]:
        ids = []
        with connect(sandbox) as api:
            for _ in range(10):
                job_id = sandbox.add_job(seconds=0)
                ids += [job_id, api.put(f"/Jobs/{job_id}/Replay").json()["Id"]]
                assert len(sandbox.requests) <= 80
        return ids

    with Sandbox() as sandbox, ThreadPoolExecutor(8) as pool:
        ids = [job_id for ids in pool.map(lambda _: work(sandbox), range(8)) for job_id in ids]
        assert len(sandbox.requests) == 80
    assert sorted(ids) == sorted(sandbox.job_ids)
    assert len(set(ids)) == 160


def test_a_large_download_is_correct_and_does_not_block_others() -> None:
    with Sandbox(job_seconds=0, result_bytes=64 * 2**20) as sandbox, connect(sandbox) as api:
        job_id = sandbox.add_job()
        digest, answers = hashlib.sha256(), 0
        with httpx.Client(trust_env=False) as storage, storage.stream("GET", sandbox.result_url(job_id)) as answer:
            for number, chunk in enumerate(answer.iter_raw()):
                digest.update(chunk)
                if number % 100 == 0:
                    answers += api.get("/Jobs").status_code == 200
        assert digest.hexdigest() == sandbox.result(job_id).sha256
        assert answers


def test_a_fast_reader_does_not_block_others() -> None:
    async def turns_of_others() -> int:
        turns = 0

        async def send(_message: object) -> None:
            """Accept a message without suspending."""

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        scope = {"state": {"transport": SimpleNamespace(is_closing=lambda: False)}}
        task = asyncio.create_task(others())
        await send_body(iter([b"x"] * 100), scope=scope, receive=asyncio.Event().wait, send=send, cut=None)  # type: ignore[arg-type]
        task.cancel()
        return turns

    assert asyncio.run(turns_of_others()) >= 99


def test_a_download_ends_when_its_client_leaves() -> None:
    with Sandbox(job_seconds=0, result_bytes=10**13) as sandbox, connect(sandbox) as api:
        link = sandbox.result_url(sandbox.add_job())
        with httpx.Client(trust_env=False) as storage, storage.stream("GET", link) as answer:
            next(answer.iter_raw())
        api.get("/Jobs")  # gives the loop some turns
        deadline = time.monotonic() + 5
        while len(server_tasks(sandbox)) > 1 and time.monotonic() < deadline:
            api.get("/Jobs")
        assert len(server_tasks(sandbox)) == 1  # the server's own


def server_tasks(sandbox: Sandbox) -> set[asyncio.Task[object]]:
    server = sandbox._server
    assert server is not None
    return asyncio.all_tasks(server._loop)


# Logging


def test_logging_of_the_host_program_is_neither_used_nor_changed(caplog: pytest.LogCaptureFixture) -> None:
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "impact_jobs.sandbox")
    caplog.set_level(logging.DEBUG)

    def state() -> list[tuple[object, ...]]:
        loggers = [logging.getLogger(name) for name in names]
        return [(each.level, each.propagate, each.disabled, *each.handlers) for each in loggers]

    before, root = state(), list(logging.getLogger().handlers)
    with Sandbox(job_seconds=0) as sandbox, connect(sandbox) as api:
        link = sandbox.result_url(sandbox.add_job())
        sandbox.cut_next_download(10)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(link, trust_env=False)
        api.get("/Jobs")
        host, port = sandbox.base_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(b"this is not HTTP\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert (state(), logging.getLogger().handlers) == (before, root)
    assert not [record for record in caplog.records if record.name.startswith(("uvicorn", "impact_jobs"))]


def test_a_bug_of_the_sandbox_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox, connect(sandbox) as api:
        monkeypatch.setattr(sandbox._state.store, "all", lambda: [None])
        assert api.get("/Jobs").status_code == 500
        assert api.get("/Reports").status_code == 200
    (record,) = [record for record in caplog.records if record.name == "impact_jobs.sandbox"]
    assert record.exc_info


# The module


def test_an_unknown_name_raises_import_error() -> None:
    with pytest.raises(ImportError, match="Nothing"):
        exec("from impact_jobs.sandbox import Nothing")  # noqa: S102 - as a user would write it


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
@pytest.mark.parametrize(
    "run", ["from impact_jobs.sandbox import Sandbox", "runpy.run_module('impact_jobs.sandbox', run_name='__main__')"]
)
def test_a_missing_extra_is_reported_with_the_command_to_install_it(missing: str, run: str) -> None:
    code = f"import runpy, sys; sys.argv = ['sandbox']; sys.modules[{missing!r}] = None; {run}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.endswith('the sandbox needs the extra `sandbox`: pip install ".[sandbox]" in the clone')
    if "run_module" in run:
        assert len(done.stderr.splitlines()) == 1


def test_importing_the_package_does_not_import_the_server() -> None:
    code = "import sys, impact_jobs.sandbox; sys.exit(bool({'starlette', 'uvicorn', 'asyncio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


# As a process


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the module and read the lines it prints: three, and one more for a brand."""
    command = [sys.executable, "-W", "error", "-m", "impact_jobs.sandbox", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as running:  # noqa: S603
        assert running.stdout is not None
        try:
            lines = [running.stdout.readline() for _ in range(3 + ("--account=brand" in arguments))]
            pairs = [line.removeprefix("export ").strip().split("=", 1) for line in lines]
            yield running, {name: value for name, value in pairs}  # noqa: C416 - fails unless each is a pair
        finally:
            running.kill()


def jobs_of(environ: dict[str, str]) -> httpx.Response:
    sid = environ["IMPACT_ACCOUNT_SID"]
    auth = (sid, environ["IMPACT_AUTH_TOKEN"])
    collection = {"brand": "Advertisers"}.get(environ.get("IMPACT_ACCOUNT_KIND", ""), "Agencies")
    return httpx.get(f"{environ['IMPACT_BASE_URL']}/{collection}/{sid}/Jobs.json", auth=auth, trust_env=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_runs_until_a_signal(number: signal.Signals) -> None:
    with process() as (running, environ):
        assert list(environ) == ["IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN", "IMPACT_BASE_URL"]
        assert len(jobs_of(environ).json()) == 3
        running.send_signal(number)
        out, err = running.communicate(timeout=10)
    assert (running.returncode, out) == (0, "")
    assert "curl" in err
    assert "Traceback" not in err


def test_a_process_takes_options() -> None:
    with taken_port() as port:
        pass
    options = {
        "--port": port,
        "--storage-port": 0,
        "--job-seconds": 0,
        "--result-bytes": 123,
        "--link-seconds": 5,
        "--seed": 9,
        "--shape": "pages",
        "--page-size": 2,
        "--hourly-budget": "none",
        "--daily-exports": "none",
        "--rows-per-day": 3,
        "--json-shape": "pages",
        "--json-page-rows": 10,
        "--report-list": "reports",
    }
    flags = ["--stringly", "--replay-same-id", "--checksums"]
    with process(*(f"{name}={value}" for name, value in options.items()), *flags) as (_, environ):
        assert environ["IMPACT_BASE_URL"] == f"http://127.0.0.1:{port}"
        assert environ["IMPACT_ACCOUNT_SID"] == Sandbox(seed=9).account_sid
        answer = jobs_of(environ)
        assert "x-ratelimit-limit" not in answer.headers
        page = answer.json()
        assert (page["@numpages"], page["Jobs"][0]["PercentageComplete"]) == ("2", "100")


def test_a_process_can_start_empty_and_with_a_budget() -> None:
    with process("--empty", "--hourly-budget=1", "--budget-headers=hour") as (_, environ):
        first = jobs_of(environ)
        assert (first.json(), first.headers["x-ratelimit-remaining-hour"]) == ([], "0")
        assert jobs_of(environ).status_code == 429


def test_a_process_can_play_another_kind_of_account() -> None:
    with process("--account=brand") as (running, environ):
        assert list(environ)[3:] == ["IMPACT_ACCOUNT_KIND"]
        assert len(jobs_of(environ).json()["Jobs"]) == 3
        running.send_signal(signal.SIGINT)
        assert "/Advertisers/" in running.communicate(timeout=10)[1]


def test_a_process_whose_port_is_taken_fails_with_one_line() -> None:
    with taken_port() as port:
        command = [sys.executable, "-m", "impact_jobs.sandbox", f"--port={port}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    assert (done.returncode, done.stdout) == (1, "")
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong",
    ["--result-bytes=-1", "--shape=tree", "--hourly-budget=many", "--nonsense", "--port=99999", "--account=tree"],
)
def test_a_process_with_invalid_options_fails(wrong: str) -> None:
    command = [sys.executable, "-m", "impact_jobs.sandbox", wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
