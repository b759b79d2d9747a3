"""`doctor`: its findings, its verdicts, and that every check runs even if others fail."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from click.testing import CliRunner
from impact_jobs import profiles
from impact_jobs.cli.app import cli
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile
from impact_jobs.sandbox import Sandbox

from tests.support.proxy import proxying
from tests.support.raw_server import Asked, Reply, serving

SID, TOKEN = "IR1", "canary-token-6d1f"
OPTIONAL = ("IMPACT_BASE_URL", "IMPACT_ACCOUNT_KIND")
NAMES = ["versions", "credentials", "proxy", "api", "tls", "clock", "budget", "disk"]
CA = trustme.CA(organization_name="Fittingly named CA")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide the settings of this machine, and return the folder of the profiles."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, *map(str.lower, names), *profiles.CREDENTIALS, profiles.VARIABLE, *OPTIONAL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config" / "impact-jobs"


@pytest.fixture
def credentials(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.environ.items():
        monkeypatch.setenv(name, value)


def run_doctor(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the checks by name, after checking that no output holds a token."""
    done = CliRunner().invoke(cli, ["doctor", "--json", *arguments], catch_exceptions=False)
    secrets = {
        TOKEN,
        base64.b64encode(f"{SID}:{TOKEN}".encode()).decode(),
        os.environ.get("IMPACT_AUTH_TOKEN") or TOKEN,
    }
    assert not any(secret in done.output for secret in secrets)
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [check["name"] for check in checks] == NAMES
    return done.exit_code, {check.pop("name"): check for check in checks}


def states(checks: dict[str, Any], *kinds: str) -> set[str]:
    return {name for name, check in checks.items() if check["state"] in kinds}


@pytest.mark.usefixtures("credentials")
def test_all_checks_pass_with_one_request(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_job()
    code, checks = run_doctor()
    assert code == 0
    assert states(checks, "warning", "failed") == set()
    assert states(checks, "skipped") == {"tls"}
    assert sandbox.account_sid in checks["credentials"]["found"]
    assert checks["budget"]["found"] == "999 of 1,000 requests left, renewed in 60 min"
    assert [request.method for request in sandbox.requests] == ["GET"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["agency", "brand", "partner"])
def test_the_kind_of_the_account_is_shown_and_checked(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(account=kind) as sandbox:
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        code, checks = run_doctor()
        assert code == 0
        assert checks["credentials"]["found"].startswith(f"{kind} account {sandbox.account_sid}, from the environment")
        wrong = "brand" if kind == "agency" else "agency"
        code, checks = run_doctor("--account-kind", wrong)
        assert code == 3
        assert checks["credentials"]["found"].startswith(f"{wrong} account")
        others = " or ".join(each for each in ("agency", "brand", "partner") if each != wrong)
        assert f"pass --account-kind {others}." in checks["credentials"]["advice"]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("answer", "code", "failed", "skipped"),
    [
        ({"status": 401}, 3, {"credentials"}, {"budget"}),
        ({"status": 403}, 3, {"credentials"}, {"budget"}),
        ({"status": 404}, 3, {"api", "credentials"}, {"budget"}),
        ({"status": 429, "headers": {"Retry-After": "60"}}, 5, {"budget"}, set()),
        ({"status": 503}, 5, {"api"}, {"budget"}),
        ({"status": 200, "body": "<html>"}, 5, {"api"}, {"budget"}),
        ({"status": None}, 5, {"api"}, {"budget", "clock"}),
    ],
)
def test_the_response_of_the_api_decides_which_check_fails(
    sandbox: Sandbox, answer: dict[str, Any], code: int, failed: set[str], skipped: set[str]
) -> None:
    sandbox.answer_next("GET", "/Jobs", **answer)
    found, checks = run_doctor()
    assert found == code
    assert states(checks, "failed") == failed
    assert states(checks, "skipped") == skipped | {"tls"}
    assert len(sandbox.requests) == 1


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(("left", "state"), [("99", "warning"), ("100", "ok")])
def test_less_than_a_tenth_of_the_hours_requests_is_a_warning(sandbox: Sandbox, left: str, state: str) -> None:
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": left, "X-RateLimit-Reset": "90"}
    sandbox.answer_next("GET", "/Jobs", status=200, body="[]", headers=headers)
    code, checks = run_doctor()
    assert (code, checks["budget"]["state"]) == (0, state)
    assert f"{left} of 1,000 requests left" in checks["budget"]["found"]


@pytest.mark.parametrize(
    ("ahead", "state", "code"),
    [(0, "ok", 0), (20, "ok", 0), (60, "warning", 0), (-60, "warning", 0), (-600, "failed", 2)],
)
def test_a_wrong_clock_is_reported(monkeypatch: pytest.MonkeyPatch, ahead: float, state: str, code: int) -> None:
    with Sandbox(clock=lambda: time.time() - ahead) as sandbox:
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        found, checks = run_doctor()
    assert (found, checks["clock"]["state"]) == (code, state)
    if ahead:
        assert ("behind" if ahead < 0 else "ahead of") in checks["clock"]["found"]


def test_an_unreachable_api_is_reported_without_credentials_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_BASE_URL", "http://127.0.0.1:9")
    code, checks = run_doctor()
    assert (code, states(checks, "failed")) == (2, {"credentials", "api"})
    assert "Check network and proxy" in checks["api"]["found"]


def test_a_server_error_without_credentials_is_a_warning(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_BASE_URL", sandbox.base_url)
    sandbox.answer_next("GET", re.compile(""), status=503)
    _, checks = run_doctor()
    assert (checks["api"]["state"], checks["api"]["advice"]) == ("warning", "Try again later.")


def test_the_other_checks_run_without_credentials(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_BASE_URL", sandbox.base_url)
    code, checks = run_doctor()
    assert code == 2
    assert states(checks, "failed") == {"credentials"}
    assert "profile add" in checks["credentials"]["found"]
    assert states(checks, "ok") >= {"api", "clock", "disk", "versions"}
    assert [("authorization" in request.headers) for request in sandbox.requests] == [False]


@pytest.mark.parametrize(
    "url", ["https://[::bad", "https://user:canary@127.0.0.1:9", "nonsense", "https://127.0.0.1:port"]
)
@pytest.mark.parametrize("has_credentials", [True, False])
def test_a_malformed_base_url_is_reported_and_not_requested(
    monkeypatch: pytest.MonkeyPatch, url: str, *, has_credentials: bool
) -> None:
    monkeypatch.setenv("IMPACT_BASE_URL", url)
    if has_credentials:
        monkeypatch.setenv("IMPACT_ACCOUNT_SID", SID)
        monkeypatch.setenv("IMPACT_AUTH_TOKEN", TOKEN)
    code, checks = run_doctor()
    assert code == 2
    assert states(checks, "failed") == {"credentials", "api"}
    assert "canary" not in json.dumps(checks)


def test_a_profile_is_reported_with_its_file_and_unsafe_permissions_with_a_remedy(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Profile("sandbox", sandbox.account_sid, Secret(sandbox.auth_token), sandbox.base_url)
    file = profiles.save(made, folder=folder)
    code, checks = run_doctor("--profile", "sandbox")
    assert code == 0
    assert f"profile 'sandbox' of {file}" in checks["credentials"]["found"]
    file.chmod(0o644)
    monkeypatch.setenv("IMPACT_BASE_URL", sandbox.base_url)
    code, checks = run_doctor("--profile", "sandbox")
    assert code == 2
    assert f"chmod 600 {file}" in checks["credentials"]["found"]


# TLS and proxies


def an_api(asked: Asked) -> Reply:
    assert asked.method == "GET"
    date = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"
    return Reply(headers={"Date": date, "Content-Type": "application/json", "Content-Length": "2"}, body=b"[]")


def server_tls(host: str = "127.0.0.1", **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(host, **options).configure_cert(context)
    return context


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    CA.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_ACCOUNT_SID", SID)
    monkeypatch.setenv("IMPACT_AUTH_TOKEN", TOKEN)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(("days", "state"), [(100, "ok"), (3, "warning")])
def test_a_certificate_is_reported_with_issuer_and_expiry(
    monkeypatch: pytest.MonkeyPatch, trusted: Path, days: int, state: str
) -> None:
    end = datetime.now(UTC) + timedelta(days=days)
    with serving(an_api, tls=server_tls(not_after=end)) as server:
        monkeypatch.setenv("IMPACT_BASE_URL", server.url)
        code, checks = run_doctor()
    assert (code, checks["tls"]["state"]) == (0, state)
    for part in ("Fittingly named CA", f"{end:%Y-%m-%d}", "TLSv1.3", f"SSL_CERT_FILE={trusted}"):
        assert part in checks["tls"]["found"]


@pytest.mark.usefixtures("account")
def test_an_untrusted_certificate_fails_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(an_api, tls=server_tls()) as server:
        monkeypatch.setenv("IMPACT_BASE_URL", server.url)
        code, checks = run_doctor()
        assert server.asked == []
    assert code == 5
    assert states(checks, "failed") == {"api", "tls"}
    assert "SSL_CERT_FILE" in checks["tls"]["advice"]


@pytest.mark.usefixtures("account")
def test_a_missing_certificate_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("IMPACT_BASE_URL", "https://127.0.0.1:9")
    code, checks = run_doctor()
    assert code == 2
    assert "SSL_CERT_FILE" in checks["credentials"]["found"] + checks["tls"]["found"]


@pytest.mark.usefixtures("account")
def test_a_refused_connection_is_reported_without_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_BASE_URL", "http://127.0.0.1:9")
    code, checks = run_doctor()
    assert code == 5
    assert "/Jobs: [Errno 111] Connection refused. Check network" in checks["api"]["found"]


@pytest.mark.usefixtures("account")
def test_plain_http_to_another_machine_is_rejected_and_not_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_BASE_URL", "http://api.invalid")
    code, checks = run_doctor()
    assert code == 2
    assert states(checks, "failed") == {"credentials", "api", "tls"}


@pytest.mark.usefixtures("account", "trusted")
def test_a_proxy_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(an_api, tls=server_tls()) as server, proxying(user="user:canary-password") as proxy:
        monkeypatch.setenv("IMPACT_BASE_URL", server.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://user:canary-password@"))
        monkeypatch.setenv("NO_PROXY", "storage.example")
        code, checks = run_doctor()
        # The first connection only checks that the proxy can be reached.
        assert proxy.asked == [f"CONNECT {server.url.removeprefix('https://')}"]
    assert (code, checks["proxy"]["state"], checks["tls"]["state"]) == (0, "ok", "ok")
    shown = proxy.url.replace("://", "://***@")
    assert checks["proxy"]["found"] == f"{shown} for the API and for the storage, except for NO_PROXY=storage.example"
    assert "canary" not in json.dumps(checks)


@pytest.mark.usefixtures("credentials")
def test_a_local_api_is_requested_without_the_proxy_of_its_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "user:canary@localhost:9")
    code, checks = run_doctor()
    assert (code, checks["api"]["state"], checks["proxy"]["state"]) == (5, "ok", "failed")
    assert checks["proxy"]["found"].startswith("http://***@localhost:9 not for the API, but for the storage: ")
    assert "canary" not in json.dumps(checks)


@pytest.mark.parametrize("url", ["http://user:canary@[::bad", "http://user:canary@localhost:port", "nonsense://x"])
@pytest.mark.usefixtures("credentials")
def test_a_malformed_proxy_url_is_reported_without_its_text(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    code, checks = run_doctor()
    assert code in {2, 5}
    assert "proxy" in states(checks, "failed")
    assert "canary" not in json.dumps(checks)


# The disk


@pytest.mark.usefixtures("credentials")
def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "missing"):
        code, checks = run_doctor(str(tmp_path / name))
        assert (code, states(checks, "failed")) == (2, {"disk"})
        assert str(tmp_path / name) in checks["disk"]["found"]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("function", "number", "missing"),
    [
        ("os.posix_fallocate", errno.EOPNOTSUPP, "fallocate"),
        ("fcntl.flock", errno.ENOLCK, "flock"),
        ("os.link", errno.EPERM, "hard links"),
        ("os.fdatasync", errno.EINVAL, "fsync"),
        ("os.fsync", errno.EINVAL, "fsync of folders"),
    ],
)
def test_a_file_system_that_lacks_a_feature_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, function: str, number: int, missing: str
) -> None:
    def lacking(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(function, lacking)
    found, checks = run_doctor()
    assert (found, checks["disk"]["state"]) == (0, "warning")
    assert checks["disk"]["found"].endswith(f"free, no {missing}")
    assert checks["disk"]["advice"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("credentials")
def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    code, checks = run_doctor()
    assert (code, checks["disk"]["state"]) == (2, "failed")
    assert "No space left" in checks["disk"]["found"]
    assert "Free space" in checks["disk"]["advice"]


@pytest.mark.usefixtures("credentials")
def test_little_free_space_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for blocks, state in ((2**18, "ok"), (2**18 - 1, "warning")):
        room = SimpleNamespace(f_blocks=2**30, f_bfree=blocks, f_bavail=blocks, f_frsize=4096)
        monkeypatch.setattr(os, "fstatvfs", lambda _, room=room: room)
        code, checks = run_doctor()
        assert (code, checks["disk"]["state"]) == (0, state)


@pytest.mark.usefixtures("credentials")
def test_terminals_get_marks_and_pipes_get_words(sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", "/Jobs", status=401)
    plain = CliRunner().invoke(cli, ["doctor"])
    assert [line.split("\t")[:2] for line in plain.output.splitlines()][:2] == [
        ["ok", "versions"],
        ["failed", "credentials"],
    ]
    quiet = CliRunner().invoke(cli, ["doctor", "-q"])
    assert quiet.output == ""
    seen = CliRunner().invoke(cli, ["doctor"], env={"FORCE_COLOR": "1", "COLUMNS": "200"})
    assert "\u2713" in seen.output
