"""`profile add`, `list` and `remove`; no output holds a token."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from impact_jobs import profiles
from impact_jobs.cli.app import cli
from impact_jobs.sandbox import Sandbox

from tests.cli.running import run_at_terminal

TOKEN = "canary-token-6d1f"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in (*profiles.CREDENTIALS, profiles.VARIABLE, "IMPACT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "impact-jobs"


def run(*arguments: str, stdin: str = "") -> Result:
    done = CliRunner().invoke(cli, ["profile", *arguments], input=stdin, catch_exceptions=False)
    assert TOKEN not in done.output
    return done


def added(name: str, *arguments: str, token: str = TOKEN, sid: str = "IR1") -> Result:
    return run("add", name, "--account-sid", sid, *arguments, stdin=f"{token}\n")


def stored(folder: Path) -> dict[str, tuple[str, str, str | None]]:
    found = profiles.stored(folder)
    return {each.name: (each.account_sid, each.auth_token.reveal(), each.base_url) for each in found}


def test_a_profile_is_checked_by_one_request_and_stored(sandbox: Sandbox, folder: Path) -> None:
    token = sandbox.auth_token
    done = added("work", "--base-url", sandbox.base_url, token=token, sid=sandbox.account_sid)
    assert done.exit_code == 0, done.output
    assert token not in done.output
    assert stored(folder) == {"work": (sandbox.account_sid, token, sandbox.base_url)}
    assert stat.S_IMODE((folder / profiles.FILE_NAME).stat().st_mode) == 0o600
    assert [request.method for request in sandbox.requests] == ["GET"]
    again = CliRunner().invoke(cli, ["list", "--profile", "work"])
    assert (again.exit_code, again.output) == (0, "")


@pytest.mark.parametrize("kind", ["brand", "partner"])
def test_a_profile_keeps_the_kind_of_its_account(kind: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACT_ACCOUNT_KIND", "agency")  # which does not apply to a profile
    with Sandbox(account=kind, job_seconds=0) as sandbox:
        options = "--base-url", sandbox.base_url
        refused = added("work", *options, token=sandbox.auth_token, sid=sandbox.account_sid)
        assert (refused.exit_code, stored(folder)) == (3, {})
        done = added("work", *options, "--account-kind", kind, token=sandbox.auth_token, sid=sandbox.account_sid)
        assert done.exit_code == 0, done.output
        job_id = sandbox.add_job()
        arguments = "list", "-q", "--profile", "work"
        assert CliRunner().invoke(cli, arguments).output == f"{job_id}\n"
        assert CliRunner().invoke(cli, ["--account-kind", "agency", *arguments]).exit_code == 3


@pytest.mark.parametrize(("status", "code"), [(401, 3), (403, 3), (None, 5), (503, 5)])
def test_rejected_credentials_are_not_stored(sandbox: Sandbox, folder: Path, status: int | None, code: int) -> None:
    sandbox.answer_next("GET", "/Jobs", status=status)
    done = added("work", "--base-url", sandbox.base_url)
    assert done.exit_code == code
    assert "--no-check" in done.stderr
    assert stored(folder) == {}
    assert len(sandbox.requests) == 1


def test_no_check_sends_no_request(sandbox: Sandbox, folder: Path) -> None:
    assert added("work", "--no-check", "--base-url", sandbox.base_url).exit_code == 0
    assert sandbox.requests == ()
    assert list(stored(folder)) == ["work"]


def test_a_profile_is_replaced_only_with_overwrite(folder: Path) -> None:
    added("work", "--no-check")
    refused = added("work", "--no-check", token="other")
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert stored(folder)["work"][1] == TOKEN
    assert added("work", "--no-check", "--overwrite", token="other").exit_code == 0
    assert stored(folder)["work"][1] == "other"


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("add", "work"), TOKEN, "--account-sid"),
        (("add", "a b", "--account-sid", "IR1"), TOKEN, "not a valid profile name"),
        (("add", "work", "--account-sid", "I R"), TOKEN, "not an Account SID"),
        (("add", "work", "--account-sid", "IR1"), "", "auth_token is missing"),
        (("add", "work", "--account-sid", "IR1", "--base-url", "http://api.example"), TOKEN, "use https"),
        (("add", "work", "--account-sid", "IR1", "--token", "x"), TOKEN, "No such option"),
        (("remove", "work"), "", "no profile 'work'"),
    ],
)
def test_missing_or_malformed_values_are_rejected(
    folder: Path, arguments: tuple[str, ...], stdin: str, says: str
) -> None:
    done = run(*arguments, stdin=stdin)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not folder.exists()


def test_profiles_are_listed_without_their_tokens() -> None:
    assert "no profiles" in run("list").stderr
    added("b", "--no-check")
    added("a", "--no-check", "--base-url", "https://a.example", "--account-kind", "partner", sid="IR2")
    assert run("list").stdout == "a\tIR2\thttps://a.example\tpartner\nb\tIR1\thttps://api.impact.com\tagency\n"
    assert run("list", "-q").stdout == "a\nb\n"
    found = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    expected = {"name": "a", "account_sid": "IR2", "base_url": "https://a.example", "account_kind": "partner"}
    assert found[0] == expected


def test_one_profile_is_removed(folder: Path) -> None:
    added("a", "--no-check")
    added("b", "--no-check")
    assert run("remove", "a").exit_code == 0
    assert list(stored(folder)) == ["b"]


def test_a_prompt_asks_for_the_token_without_echoing_it(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "impact_jobs.cli", "profile", "add", "work", "--no-check"]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = _until(ours, b"Account SID:")
        os.write(ours, b"IR1\n")
        shown += _until(ours, b"(not shown):")
        os.write(ours, f"{TOKEN}\n".encode())
        shown += _until(ours, b"is stored")
    os.close(ours)
    assert process.returncode == 0
    assert TOKEN.encode() not in shown
    assert stored(folder) == {"work": ("IR1", TOKEN, None)}


def _until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
    return seen


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_token_from_powershell_has_no_byte_order_mark(folder: Path, encoding: str) -> None:
    given = f"{TOKEN}\r\n".encode(encoding)
    arguments = ["profile", "add", "work", "--account-sid", "IR1", "--no-check"]
    assert CliRunner().invoke(cli, arguments, input=given).exit_code == 0
    assert stored(folder)["work"][1] == TOKEN


def test_a_terminal_gets_a_table_of_the_profiles() -> None:
    added("work", "--no-check")
    code, text = run_at_terminal("profile", "list", environ={"NO_COLOR": "1", "TERM": "dumb"})
    assert code == 0
    assert re.search(r"PROFILE\s+ACCOUNT\s+API\s+KIND\s+work\s+IR1\s+https://api.impact.com\s+agency", text)
