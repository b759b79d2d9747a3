"""Neither proxies nor storages, logs or error reports show token and signature."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
import ssl
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient, JobsError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, Driven, clients
from tests.support.proxy import proxying
from tests.support.raw_server import Answer, Asked, RawServer, Reply, serving, storing

TOKEN = "canary-token-6d1f"
SIGNATURE = "canary-signature-77aa"
PROXY_PASSWORD = "canary-proxy-31c0"
SID = "IR1"
BASIC = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
JOB = {"Id": JOB_ID, "Status": "COMPLETED", "Replayable": True}
CA = trustme.CA()
ONCE = Retry(attempts=1)

kinds = pytest.mark.parametrize("kind", [JobsClient, AsyncJobsClient], ids=lambda kind: kind.__name__)
AnyKind = type[JobsClient | AsyncJobsClient]


def driven(kind: AnyKind, runner: asyncio.Runner, base_url: str, **options: Any) -> AbstractContextManager[AnyClient]:
    client = kind(SID, TOKEN, base_url=base_url, retry=ONCE, **options)
    return client if isinstance(client, JobsClient) else Driven(client, runner)


def server_tls(*, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(host).configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make clients that are created from now on trust the test's certificates."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    CA.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


def api_redirecting_to(location: Callable[[], str]) -> Answer:
    def answer(asked: Asked) -> Reply:
        if asked.target.endswith("/Download"):
            headers = {"Location": location(), "Set-Cookie": "c=canary-cookie", "Content-Length": "0"}
            return Reply(status=302, headers=headers)
        body = json.dumps(JOB).encode()
        return Reply(headers={"Content-Type": "application/json", "Content-Length": str(len(body))}, body=body)

    return answer


def seen_by(server: RawServer) -> str:
    return "\n".join(f"{asked.method} {asked.target} {dict(asked.headers)}" for asked in server.asked)


# Proxies and storages


@kinds
@pytest.mark.usefixtures("trusted")
def test_a_proxy_sees_only_host_and_port_and_the_storages_see_no_token(
    kind: AnyKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leading(_: Asked) -> Reply:
        headers = {
            "Location": f"{last.url}/b?sig={SIGNATURE}-2",
            "Set-Cookie": "c=canary-cookie",
            "Content-Length": "0",
        }
        return Reply(status=307, headers=headers)

    whole = Reply(headers={"Content-Length": "5"}, body=b"a,b,c")
    with (
        proxying() as proxy,
        serving(lambda _: whole, tls=server_tls()) as last,
        serving(leading, tls=server_tls()) as first,
        serving(api_redirecting_to(lambda: f"{first.url}/a?sig={SIGNATURE}"), tls=server_tls()) as api,
        asyncio.Runner() as runner,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with driven(kind, runner, api.url) as jobs:
            assert jobs.get(JOB_ID).id == JOB_ID
            assert jobs.download(JOB_ID, tmp_path / "a.csv").bytes_written == 5
        assert {method for method, _ in map(str.split, proxy.asked)} == {"CONNECT"}
        assert set(proxy.asked) == {f"CONNECT {server.url[8:]}" for server in (api, first, last)}
        assert BASIC in seen_by(api)
        assert f"sig={SIGNATURE}" in seen_by(first)
        assert f"sig={SIGNATURE}-2" in seen_by(last)
        for secret in (TOKEN, BASIC, SIGNATURE, "Authorization", "canary-cookie"):
            assert secret not in "".join(proxy.heads)
        for secret in (TOKEN, BASIC, SID, "authorization", "cookie", "referer"):
            assert secret not in seen_by(first) + seen_by(last)
        assert f"sig={SIGNATURE}'" not in seen_by(last) + seen_by(api), "only the first storage may see the first link"


@kinds
def test_plain_http_never_goes_through_a_proxy(kind: AnyKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy could read the token and the signed link."""
    with (
        proxying() as proxy,
        serving(storing(b"a,b,c")) as storage,
        serving(api_redirecting_to(lambda: f"{storage.url}/a?sig={SIGNATURE}")) as api,
        asyncio.Runner() as runner,
    ):
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.replace("//", f"//someone:{PROXY_PASSWORD}@"))
        with driven(kind, runner, api.url) as jobs:
            assert jobs.get(JOB_ID).id == JOB_ID
            assert jobs.download(JOB_ID, tmp_path / "a.csv").bytes_written == 5
            with jobs.stream(JOB_ID) as chunks:
                assert b"".join(chunks) == b"a,b,c"
        assert proxy.asked == []
        assert "roxy-" not in seen_by(api) + seen_by(storage)


@kinds
@pytest.mark.usefixtures("trusted")
def test_the_storage_is_reached_by_proxy_even_if_the_api_is_on_this_machine(
    kind: AnyKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        proxying() as proxy,
        serving(storing(b"a,b,c"), tls=server_tls()) as storage,
        serving(api_redirecting_to(lambda: f"{storage.url}/a?sig={SIGNATURE}")) as api,
        asyncio.Runner() as runner,
    ):
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with driven(kind, runner, api.url) as jobs:
            assert jobs.download(JOB_ID, tmp_path / "a.csv").bytes_written == 5
        assert proxy.asked == [f"CONNECT {storage.url[8:]}"]
        assert SIGNATURE not in "".join(proxy.heads)


@kinds
@pytest.mark.usefixtures("trusted")
def test_the_no_proxy_variable_is_honoured(kind: AnyKind, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying() as proxy, serving(api_redirecting_to(str), tls=server_tls()) as api, asyncio.Runner() as runner:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with driven(kind, runner, api.url) as jobs:
            assert jobs.get(JOB_ID).id == JOB_ID
        assert proxy.asked == []


@kinds
@pytest.mark.parametrize("password", [PROXY_PASSWORD, "canary-proxy-wrong"])
@pytest.mark.usefixtures("trusted")
def test_the_credentials_of_a_proxy_are_sent_to_it_alone(
    kind: AnyKind, password: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    user = f"someone:{PROXY_PASSWORD}"
    with (
        proxying(user=user) as proxy,
        serving(api_redirecting_to(str), tls=server_tls()) as api,
        asyncio.Runner() as runner,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//someone:{password}@"))
        with driven(kind, runner, api.url) as jobs:
            said = f"{jobs!r} {vars(jobs)}"
            if password == PROXY_PASSWORD:
                assert jobs.get(JOB_ID).id == JOB_ID
            else:
                with pytest.raises(TransportError, match="407") as raised:
                    jobs.replay(JOB_ID)
                assert not raised.value.request_sent
                said += reported(raised.value)
        assert "Proxy-Authorization" in "".join(proxy.heads)
        assert "roxy-" not in seen_by(api)
    said += "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert password not in said
    assert base64.b64encode(f"someone:{password}".encode()).decode() not in said


@kinds
def test_a_proxy_whose_package_is_missing_is_reported_when_the_client_is_created(
    kind: AnyKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://u:canary-x@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="proxy variables") as raised:
        kind(SID, TOKEN)
    said = reported(raised.value)
    for secret in ("canary-x", TOKEN):
        assert secret not in said


# TLS


@kinds
@pytest.mark.parametrize("host", ["127.0.0.1", "api.impact.com"], ids=["unknown issuer", "another host"])
def test_no_environment_variable_turns_certificate_verification_off(
    kind: AnyKind, host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for name in ("IMPACT_VERIFY", "IMPACT_VERIFY_SSL", "PYTHONHTTPSVERIFY", "SSL_VERIFY", "HTTPX_VERIFY"):
        monkeypatch.setenv(name, "0")
    for name in ("IMPACT_INSECURE", "NODE_TLS_REJECT_UNAUTHORIZED", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    if host != "127.0.0.1":
        request.getfixturevalue("trusted")
    with serving(api_redirecting_to(str), tls=server_tls(host=host)) as api, asyncio.Runner() as runner:
        with driven(kind, runner, api.url) as jobs:
            with pytest.raises(TransportError, match="certificate verify failed") as raised:
                jobs.replay(JOB_ID)
            assert not raised.value.request_sent
        assert api.asked == []
        with Sandbox(job_seconds=0) as sandbox, driven_sandbox(kind, runner, sandbox) as jobs:
            job_id = sandbox.add_job()
            sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{api.url}/a?sig={SIGNATURE}"})
            with pytest.raises(TransportError, match="certificate verify failed") as raised:
                jobs.download(job_id, tmp_path / "a.csv")
            assert SIGNATURE not in reported(raised.value)
        assert api.asked == []


def driven_sandbox(kind: AnyKind, runner: asyncio.Runner, sandbox: Sandbox) -> AbstractContextManager[AnyClient]:
    return clients[kind is AsyncJobsClient](sandbox, runner, retry=ONCE)


@kinds
def test_unreadable_certificates_are_reported_when_the_client_is_created(
    kind: AnyKind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in ("ca.pem", "missing.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / file))
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            kind(SID, TOKEN)


# Error reports and logs


def reported(error: BaseException) -> str:
    """Return what an error reporter sends: all frames but the tests', with their locals, of the whole chain."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        found = traceback.TracebackException.from_exception(link, capture_locals=True, lookup_lines=False)
        texts += [f"{frame.name} {frame.locals}" for frame in found.stack if "/tests/" not in frame.filename]
        texts += [str(link), repr(link), str(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(texts)


class Interrupting(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Is interrupted while it waits for a response."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt(f"{len(request.headers)} headers")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise asyncio.CancelledError(f"{len(request.headers)} headers")


@pytest.mark.parametrize("end", [KeyboardInterrupt, asyncio.CancelledError])
def test_an_interruption_leaves_no_request_in_its_traceback(end: type[BaseException], tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Location": f"https://s.example/a?sig={SIGNATURE}"}, request=request)

    client = httpx.Client if end is KeyboardInterrupt else httpx.AsyncClient
    kind = JobsClient if end is KeyboardInterrupt else AsyncJobsClient
    api: Any = client(transport=httpx.MockTransport(answer))
    storage: Any = client(transport=Interrupting())
    with asyncio.Runner() as runner:
        jobs: AnyClient = kind(SID, TOKEN, http_client=api, storage_client=storage)
        jobs = jobs if kind is JobsClient else Driven(jobs, runner)
        with pytest.raises(end) as raised:
            jobs.download(JOB_ID, tmp_path / "a")
    said = reported(raised.value)
    assert "download" in said
    for secret in (TOKEN, BASIC, SIGNATURE):
        assert secret not in said


VERBS: dict[str, Callable[[AnyClient, Path], object]] = {
    "list": lambda jobs, _: list(jobs.list()),
    "get": lambda jobs, _: jobs.get(JOB_ID),
    "wait": lambda jobs, _: jobs.wait(JOB_ID, timeout=0),
    "wait_all": lambda jobs, _: jobs.wait_all([JOB_ID], timeout=0),
    "download": lambda jobs, folder: jobs.download(JOB_ID, folder / f"{len(list(folder.iterdir()))}.csv"),
    "stream": lambda jobs, _: jobs.stream(JOB_ID).__enter__(),
    "replay": lambda jobs, _: jobs.replay(JOB_ID),
    "replay_if_replayable": lambda jobs, _: jobs.replay_if_replayable(JOB_ID),
    "reports": lambda jobs, _: list(jobs.reports()),
    "report_metadata": lambda jobs, _: jobs.report_metadata("action_listing"),
    "export_report": lambda jobs, _: jobs.export_report("action_listing"),
}
BODIES = [
    f'{{"Message": "Basic {BASIC} for https://x.example/?sig={SIGNATURE}", "Errors": [{{"Field": "{TOKEN}"}}]}}',
    f"<html>{TOKEN} {BASIC} https://x.example/?sig={SIGNATURE}</html>",
    f'{{"Id": "{JOB_ID}", "Status": 7, "Note": "{TOKEN}"}}',
    f'{{"Reports": [{{"Name": "{TOKEN}"}}], "Filters": [{{"DataType": "{BASIC}"}}], "@nextpageuri": "//{TOKEN}/"}}',
    f'{{"Status": "ERROR", "Message": "Not permitted to run report {TOKEN}"}}',
    f'{{"Status": "QUEUED", "QueuedUri": "/{TOKEN}/Jobs/{BASIC}"}}',
]


@kinds
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_repeats_the_secrets_that_a_gateway_echoes(
    verb: str, kind: AnyKind, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    replies: list[Reply] = []
    with serving(lambda _: replies[-1]) as api, asyncio.Runner() as runner, driven(kind, runner, api.url) as jobs:
        for status, body in itertools.product((200, 202, 400, 401, 403, 404, 429, 500, 502), BODIES):
            headers = {"Content-Length": str(len(body)), "X-Request-Id": f"https://x.example/?sig={SIGNATURE}"}
            replies.append(Reply(status=status, headers=headers, body=body.encode()))
            api.asked.clear()
            caplog.clear()
            try:
                VERBS[verb](jobs, tmp_path)
            except JobsError as error:
                said = reported(error)
            else:
                said = ""
            assert api.asked, status
            said += "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
            # Beyond the credentials, the body of a success is the account's data, and parsed as such.
            for secret in (TOKEN, BASIC) if status in {200, 202} else (TOKEN, BASIC, SIGNATURE):
                assert secret not in said, (status, body)


def test_log_handlers_that_format_later_get_no_secret(jobs: AnyClient, sandbox: Sandbox) -> None:
    late = MemoryHandler(10_000, flushLevel=100)
    names = ("", "httpx", "httpcore", "asyncio", "impact_jobs")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger().addHandler(late)
        with jobs.stream(sandbox.add_job()) as chunks:
            b"".join(chunks)
    finally:
        logging.getLogger().removeHandler(late)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    said = "".join(logging.Formatter().format(record) + str(vars(record)) for record in late.buffer)
    (signed,) = (request.query for request in sandbox.requests if request.origin == "storage")
    assert "HTTP Request" in said
    assert signed not in said
    assert sandbox.auth_token not in said


def test_the_debug_mode_of_asyncio_logs_no_secret(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    job_id = sandbox.add_job()

    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 0.0  # so that every callback is logged
        async with sandbox.async_client() as jobs:
            await jobs.wait_and_download(job_id, tmp_path / "a.csv")
            await jobs.replay(job_id)

    with asyncio.Runner(debug=True) as runner:
        runner.run(main())
    said = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "Executing <Task" in said
    (signed,) = (request.query for request in sandbox.requests if request.origin == "storage")
    basic = base64.b64encode(f"{sandbox.account_sid}:{sandbox.auth_token}".encode()).decode()
    for secret in (signed, sandbox.auth_token, basic):
        assert secret not in said
