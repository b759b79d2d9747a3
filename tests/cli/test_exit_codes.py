"""Exit codes: one for every error, and the documented one for every outcome."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from impact_jobs import errors
from impact_jobs.cli import exit_codes
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.cli.running import run, start

UNKNOWN = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
ANY = re.compile("/Agencies/")


def errors_of_the_library() -> list[type[errors.JobsError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, errors.JobsError)]


@pytest.mark.parametrize("cls", errors_of_the_library(), ids=lambda cls: cls.__name__)
def test_every_error_has_a_documented_exit_code(cls: type[errors.JobsError]) -> None:
    assert exit_codes.code_of(cls.__new__(cls)) in exit_codes.MEANINGS
    assert cls is errors.JobsError or any(parent in exit_codes.CODES for parent in cls.__mro__)


def test_the_worst_failure_is_the_one_that_running_again_helps_least() -> None:
    transport, timeout = errors.TransportError(""), errors.WaitTimeoutError(None)
    missing = errors.JobNotFoundError("", status_code=404)
    assert exit_codes.worst([]) == 0
    assert exit_codes.worst([timeout, transport]) == 5
    assert exit_codes.worst([timeout, missing, transport]) == 3
    assert exit_codes.worst([errors.ReplayUncertainError(""), missing]) == 6


def failed_job(sandbox: Sandbox) -> list[str]:
    return ["wait", sandbox.add_job(status="FAILED", message="Too many records.")]


def cancelled_job(sandbox: Sandbox) -> list[str]:
    return ["download", sandbox.add_job(status="CANCELLED")]


def unknown_job(_sandbox: Sandbox) -> list[str]:
    return ["get", UNKNOWN]


def malformed_job(_sandbox: Sandbox) -> list[str]:
    return ["get", "report-7"]


def no_such_option(_sandbox: Sandbox) -> list[str]:
    return ["list", "--sinse", "2d"]


def no_date(_sandbox: Sandbox) -> list[str]:
    return ["list", "--since", "someday"]


def dates_the_wrong_way_round(_sandbox: Sandbox) -> list[str]:
    return ["list", "--since", "2d", "--until", "3d"]


def no_jobs_for_fetch(_sandbox: Sandbox) -> list[str]:
    return ["fetch", "--into", "reports"]


def jobs_and_a_selection(sandbox: Sandbox) -> list[str]:
    return ["watch", sandbox.add_job(), "--since", "2d"]


def two_targets(sandbox: Sandbox) -> list[str]:
    return ["download", sandbox.add_job(), "a.csv", "-o", "b.csv"]


def no_duration(_sandbox: Sandbox) -> list[str]:
    return ["wait", UNKNOWN, "--timeout", "soon"]


def no_such_command(_sandbox: Sandbox) -> list[str]:
    return ["lst"]


def file_in_the_way(sandbox: Sandbox) -> list[str]:
    Path("actions.csv").touch()
    return ["download", sandbox.add_job(), "actions.csv"]


def missing_folder(sandbox: Sandbox) -> list[str]:
    return ["download", sandbox.add_job(), "nowhere/actions.csv"]


def running_job(sandbox: Sandbox) -> list[str]:
    return ["wait", sandbox.add_job(status="RUNNING"), "--timeout", "10m"]


def result_of_a_running_job(sandbox: Sandbox) -> list[str]:
    return ["download", sandbox.add_job(status="RUNNING")]


def replay_of_a_running_job(sandbox: Sandbox) -> list[str]:
    return ["replay", sandbox.add_job(status="RUNNING")]


def answered(status: int | None, *, body: str = "{}", command: str = "get") -> Callable[[Sandbox], list[str]]:
    def arrange(sandbox: Sandbox) -> list[str]:
        job = sandbox.add_job()
        sandbox.answer_next("GET", ANY, status=status, body=body, times=50)
        sandbox.answer_next("PUT", ANY, status=status, body=body, times=50)
        return [command, job]

    arrange.__name__ = f"{command}_answered_{status}{'_with_' + body[:6] if body != '{}' else ''}"
    return arrange


def expired_result(sandbox: Sandbox, age: float = 3600.0) -> list[str]:
    job = sandbox.add_job(age=age)
    sandbox.answer_next("GET", re.compile("/results/"), status=404, times=50)
    return ["download", job]


def new_result_that_is_refused(sandbox: Sandbox) -> list[str]:
    return expired_result(sandbox, age=0.0)


def wrong_checksum(sandbox: Sandbox) -> list[str]:
    job = sandbox.add_job()
    sandbox.answer_next(
        "GET",
        re.compile("/results/"),
        status=200,
        body="abc",
        headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        times=9,
    )
    return ["download", job]


CASES: list[tuple[int, str, Callable[[Sandbox], list[str]]]] = [
    (0, "", lambda sandbox: ["wait", sandbox.add_job()]),
    (1, "JobFailedError", failed_job),
    (1, "JobCancelledError", cancelled_job),
    (2, "ConfigurationError", malformed_job),
    (2, "NoSuchOption", no_such_option),
    (2, "BadParameter", no_date),
    (2, "ConfigurationError", dates_the_wrong_way_round),
    (2, "UsageError", no_jobs_for_fetch),
    (2, "UsageError", jobs_and_a_selection),
    (2, "UsageError", two_targets),
    (2, "BadParameter", no_duration),
    (2, "NoSuchCommand", no_such_command),
    (2, "DestinationExistsError", file_in_the_way),
    (2, "ConfigurationError", missing_folder),
    (2, "ApiError", answered(400)),
    (3, "JobNotFoundError", unknown_job),
    (3, "AuthenticationError", answered(401)),
    (3, "PermissionDeniedError", answered(403)),
    (3, "NotReplayableError", replay_of_a_running_job),
    (3, "ResultExpiredError", expired_result),
    (4, "WaitTimeoutError", running_job),
    (4, "ResultNotReadyError", result_of_a_running_job),
    (4, "ResultExpiredError", new_result_that_is_refused),
    (4, "ApiError", answered(425)),
    (5, "TransportError", answered(None)),
    (5, "RateLimitError", answered(429)),
    (5, "ServerError", answered(503)),
    (5, "UnexpectedResponseError", answered(200, body="<html>")),
    (5, "IntegrityError", wrong_checksum),
    (6, "ReplayUncertainError", answered(500, command="replay")),
]


@pytest.mark.parametrize(("code", "error", "arrange"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_outcome_has_its_exit_code(
    code: int,
    error: str,
    arrange: Callable[[Sandbox], list[str]],
    account: Sandbox,
    impact_clock: ImpactClock,  # noqa: ARG001 - skips the pauses
) -> None:
    arguments = arrange(account)
    done = run("--json", *arguments)
    assert done.exit_code == code
    written = [json.loads(line)["error"] for line in (done.stdout + done.stderr).splitlines() if '"error"' in line]
    assert [(each["type"], each["exit_code"]) for each in written] == ([(error, code)] if error else [])
    assert code in exit_codes.MEANINGS


def test_an_error_is_one_line_on_stderr(account: Sandbox) -> None:
    job = account.add_job(status="FAILED", message="Too many\nrecords.\x1b[2J")
    done = run("wait", job, "--quiet")
    assert done.stdout == ""
    assert done.stderr == (
        f"impact-jobs: job {job} ended as FAILED: Too many records.\ufffd[2J. "
        "It has no result; replay it if you need one.\n"
    )


def test_advice_names_the_options_of_the_command(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("actions.csv").touch()
    assert "pass --overwrite" in run("download", account.add_job(), "actions.csv").stderr
    assert "pass --wait" in run("download", account.add_job(status="RUNNING")).stderr
    assert re.search(r"--since \(.*\) is later than --until", run("list", "--since", "2d", "--until", "3d").stderr)
    monkeypatch.delenv("IMPACT_AUTH_TOKEN")
    assert "`impact-jobs profile add default`" in run("list").stderr


def test_a_bug_is_reported_without_a_traceback(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("impact_jobs.client.JobsClient.get", fail)
    done = run("get", account.add_job())
    assert (done.exit_code, done.stderr) == (70, "impact-jobs: ZeroDivisionError: by zero; this is a bug\n")
    assert "Traceback" in run("get", account.add_job(), "-vv").stderr


def test_a_missing_extra_is_reported_with_how_to_install_it() -> None:
    code = "import sys; sys.modules['click'] = None; from impact_jobs.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert done.returncode == 2
    assert done.stderr == 'impact-jobs: the command line needs the extra `cli`: pip install ".[cli]" in the clone\n'


def test_unwritable_output_is_an_error(account: Sandbox) -> None:
    account.add_job()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "impact_jobs.cli", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (5, "impact-jobs: [Errno 28] No space left on device\n")


def test_sigterm_prints_the_command_that_continues_and_ps_shows_no_secret(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with start("wait", job) as process:
        assert process.stderr is not None
        assert "RUNNING" in process.stderr.readline()
        cmdline = Path(f"/proc/{process.pid}/cmdline").read_text()  # as ps shows it
        process.terminate()
        _, rest = process.communicate(timeout=20)
    assert process.returncode == exit_codes.TERMINATED
    assert rest == f"impact-jobs: ended by SIGTERM; to continue: impact-jobs wait {job}\n"
    assert job in cmdline
    assert account.auth_token not in cmdline
