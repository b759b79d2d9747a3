"""An entry of the proxy variables that httpx cannot parse is skipped with a warning, and everything works."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from click.testing import CliRunner
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient, Retry, TransportError
from impact_jobs._account import DEFAULT_BASE_URL
from impact_jobs._transport.proxies import proxies_from_environment
from impact_jobs.cli.app import cli
from impact_jobs.sandbox import Sandbox

from tests.support.driving import MakeClient, clients
from tests.support.proxy import proxying
from tests.support.raw_server import Reply, serving

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
BAD_EXEMPTIONS = ["::1/128", "[::1]", "[::1]:8080", "foo:bar:baz", "fe80::1%eth0/64", "bücher.de", "a\x01b", "\udcff"]
BAD_PROXIES = ["ftp://proxy", "socks4://proxy", "http://", "http://:3128", "proxy:port", "proxy:99999", "no proxy here"]
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")

both = pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def use_each_connection(make: MakeClient, sandbox: Sandbox, folder: Path) -> None:
    job_id = sandbox.add_job()
    with asyncio.Runner() as runner, make(sandbox, runner) as jobs:
        assert jobs.get(job_id).id == job_id
        assert jobs.download(job_id, folder / f"{make.__name__}.csv").bytes_written == 300_000


@both
@pytest.mark.parametrize("entry", BAD_EXEMPTIONS, ids=ascii)
def test_an_unreadable_exemption_is_skipped_with_one_warning(
    entry: str,
    *,
    make: MakeClient,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NO_PROXY", f"10.0.0.0/8,*.corp.example.com, {entry},http://x,,::1,localhost")
    use_each_connection(make, sandbox, tmp_path)
    [warning] = warnings(caplog)
    assert warning.startswith("NO_PROXY")
    if entry.isprintable():
        assert repr(entry) in warning


@both
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("entry", BAD_PROXIES)
def test_an_unusable_proxy_is_skipped_with_one_warning(
    entry: str,
    *,
    variable: str,
    make: MakeClient,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(variable, entry)
    use_each_connection(make, sandbox, tmp_path)
    [warning] = warnings(caplog)
    assert warning.startswith(f"{variable.upper()}: {entry!r}")


@pytest.mark.parametrize("entry", ["http://me:canary/x@proxy:3128", "me:can ary?x@[::proxy", "ftp://me:canary@proxy"])
def test_no_warning_shows_the_password_of_a_proxy(
    entry: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", entry)
    monkeypatch.setenv("NO_PROXY", "me:canary@foo:bar")
    assert set(proxies_from_environment(DEFAULT_BASE_URL)) == {"http://"}
    assert len(warnings(caplog)) == 2
    assert "ary" not in caplog.text


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example.com:3128")
    found = proxies_from_environment(DEFAULT_BASE_URL)["https://"]
    assert found is not None
    assert found.url == "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    "exempted",
    ["", "*", "a.example, .b.example,c.example:8443,LOCALHOST,127.0.0.1,10.0.0.0/8,::1,fe80::1,https://d.example,x y"],
)
def test_what_httpx_can_read_means_the_same_as_to_httpx(exempted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "https://user:password@proxy:8443")
    monkeypatch.setenv("ALL_PROXY", "proxy")
    monkeypatch.setenv("NO_PROXY", exempted)
    ours = httpx.Client(
        trust_env=False,
        mounts={
            pattern: None if proxy is None else httpx.HTTPTransport(proxy=proxy)
            for pattern, proxy in proxies_from_environment(DEFAULT_BASE_URL).items()
        },
    )
    theirs = httpx.Client(mounts={"http://": None})
    assert [(key.pattern, mount is None) for key, mount in ours._mounts.items()] == [
        (key.pattern, mount is None) for key, mount in theirs._mounts.items()
    ]


def test_all_hosts_below_a_domain_can_be_exempted_with_an_asterisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*.corp.example.com")
    assert proxies_from_environment(DEFAULT_BASE_URL)["all://*.corp.example.com"] is None


@pytest.mark.parametrize("kind", [JobsClient, AsyncJobsClient])
def test_the_entries_beside_an_unreadable_one_are_honoured(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    body = json.dumps({"Id": JOB_ID, "Status": "COMPLETED"}).encode()
    reply = Reply(headers={"Content-Type": "application/json", "Content-Length": str(len(body))}, body=body)
    with proxying() as proxy, serving(lambda _: reply, tls=certified(authority)) as api:
        for exempted, expected in (("foo:bar:baz", 1), ("foo:bar:baz,127.0.0.1", 0)):
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", exempted)
            proxy.asked.clear()
            get_once(kind, api.url)
            assert len(proxy.asked) == expected


def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def get_once(kind: type[Any], url: str) -> None:
    async def main() -> None:
        async with AsyncJobsClient("IR1", "token", base_url=url) as jobs:
            assert (await jobs.get(JOB_ID)).id == JOB_ID

    if kind is AsyncJobsClient:
        asyncio.run(main())
        return
    with JobsClient("IR1", "token", base_url=url) as jobs:
        assert jobs.get(JOB_ID).id == JOB_ID


@both
def test_a_sandbox_is_reached_without_the_package_of_a_socks_proxy(
    make: MakeClient,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://proxy:1080")
    use_each_connection(make, sandbox, tmp_path)
    assert ["socks5h://proxy:1080" in warning for warning in warnings(caplog)] == [True]
    with pytest.raises(ConfigurationError, match="socksio"):
        JobsClient("IR1", "token")


@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
def test_the_environment_is_not_read_for_clients_that_were_passed_in(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = kind(trust_env=False)
    monkeypatch.setenv("NO_PROXY", "foo:bar:baz")
    client: Any = JobsClient if kind is httpx.Client else AsyncJobsClient
    client("IR1", "token", http_client=own, storage_client=own)
    assert warnings(caplog) == []


def test_the_fixtures_work_with_unusable_entries(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks4://proxy")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "::1/128,foo:bar:baz")
    sandbox = request.getfixturevalue("impact_sandbox")
    jobs = request.getfixturevalue("impact_jobs_client")
    assert jobs.download(sandbox.add_job(), tmp_path / "a.csv").bytes_written == 100_000
    done = asyncio.run(listed(request.getfixturevalue("async_impact_jobs_client")))
    assert done == list(sandbox.job_ids)


async def listed(jobs: AsyncJobsClient) -> list[str]:
    return [job.id async for job in jobs.list()]


def test_the_command_and_its_doctor_work_with_unusable_entries(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (sandbox.environ | {"XDG_CONFIG_HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "::1/128,foo:bar:baz,http://me:canary@x")
    job_id = sandbox.add_job()
    done = CliRunner().invoke(cli, ["get", "--quiet", job_id])
    assert (done.exit_code, done.stdout.split()[0]) == (0, job_id)
    assert CliRunner().invoke(cli, ["doctor", "--json", str(tmp_path)]).exit_code == 0
    monkeypatch.setenv("HTTPS_PROXY", "ftp://me:canary@127.0.0.1:9")
    done = CliRunner().invoke(cli, ["doctor", "--json", str(tmp_path)])
    checks = {check["name"]: check for check in map(json.loads, done.stdout.splitlines())}
    assert {name for name, check in checks.items() if check["state"] == "failed"} == {"proxy"}
    assert "not the URL of a proxy" in checks["proxy"]["found"]
    assert "canary" not in done.output


def test_a_proxy_that_refuses_connections_is_still_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:9")
    with JobsClient("IR1", "token", retry=Retry(attempts=1)) as jobs, pytest.raises(TransportError):
        jobs.get(JOB_ID)
