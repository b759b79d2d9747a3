"""Commands piped into one another, and into other programs."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from impact_jobs.cli.job_args import parse_lines
from impact_jobs.cli.state import CliState
from impact_jobs.sandbox import Sandbox

from tests.cli.running import run, run_line, shell

ONE, TWO = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "8d1b7e54-7b0c-4c53-a3b1-2f1f5a1b9c10"


def test_names_are_the_first_words_of_lines_or_the_ids_of_json_objects() -> None:
    lines = [
        "",
        "# yesterday's",
        f"{ONE}\tCOMPLETED\t100%",
        f'  {{"id": "{TWO}", "status": "QUEUED"}}',
        "/Agencies/IR1/Jobs/x",
    ]
    assert list(parse_lines(lines, CliState(quiet=True))) == [ONE, TWO, "/Agencies/IR1/Jobs/x"]


def test_lines_that_report_a_failure_are_skipped() -> None:
    assert list(parse_lines([f'{{"id": "{ONE}", "error": {{}}}}', f'{{"job_id": "{TWO}"}}'], CliState(quiet=True))) == [
        TWO
    ]


@pytest.mark.parametrize("line", ["{", '{"id": 7}', '{"name": "x"}', '{"id": null}', "{}" * 3, "{[" * 100_000])
def test_other_json_is_rejected(line: str) -> None:
    with pytest.raises(click.UsageError, match="line 1 of stdin"):
        list(parse_lines([line], CliState(quiet=True)))


def test_a_job_named_twice_counts_once_and_no_jobs_are_no_error(account: Sandbox) -> None:
    job = account.add_job()
    assert run("get", job, "-", "-q", given=f"{job}\n{job}\n").stdout.split() == [job]
    nothing = run("wait", "-", given="")
    assert (nothing.exit_code, nothing.stderr) == (0, "impact-jobs: no jobs, nothing to do\n")


@pytest.mark.parametrize("form", ["", "--quiet", "--json"])
def test_replay_wait_and_download_in_one_line(form: str, account: Sandbox, folder: Path) -> None:
    job = account.add_job()
    line = f"impact-jobs replay {job} {form} | impact-jobs wait - {form} | impact-jobs download - {form}"
    if form:
        code, out, err = run_line(line)
    else:  # by a shell, once
        done = shell(line, folder=folder)
        code, out, err = done.returncode, done.stdout, done.stderr
    fresh = account.job_ids[-1]
    assert code == 0, err
    assert fresh != job
    assert fresh[:8] in out
    assert len(list(folder.glob("*.csv"))) == 1


def test_a_failed_job_is_reported_once_in_a_pipe(account: Sandbox) -> None:
    failed, completed = account.add_job(status="FAILED"), account.add_job()
    code, out, _ = run_line(f"impact-jobs wait {failed} {completed} --json | impact-jobs download - --quiet")
    assert (code, len(out.splitlines())) == (1, 1)


def test_a_list_ends_quietly_if_its_reader_exits(account: Sandbox, folder: Path) -> None:
    for _ in range(1000):  # more than a pipe holds
        account.add_job()
    done = shell("impact-jobs list | head -1; echo ${PIPESTATUS[0]}", folder=folder)
    assert done.stdout.splitlines()[1:] == ["141"]
    assert done.stderr == ""


def test_a_download_ends_quietly_if_its_reader_exits(account: Sandbox, folder: Path) -> None:
    job = account.add_job(result_bytes=5_000_000)
    done = shell(f'impact-jobs download {job} - | head -c 11; echo " ${{PIPESTATUS[0]}}"', folder=folder)
    assert (done.stdout.splitlines(), done.stderr) == (["Action_Id,A 141"], "")


def test_closed_streams_cause_no_traceback(account: Sandbox, folder: Path) -> None:
    account.add_job()
    assert "Traceback" not in shell("impact-jobs list 2>&-; impact-jobs list >&-", folder=folder).stderr


def test_binary_stdin_is_an_error_without_a_traceback(account: Sandbox, folder: Path) -> None:
    assert account.job_ids == ()
    for nonsense in (b"\xff\xfe\x00", b"\xe4\x00"):
        done = run("get", "-", given=nonsense)
        assert (done.exit_code, "does not name a job" in done.stderr) == (2, True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ids_in_the_encodings_of_powershell_are_read(encoding: str, account: Sandbox) -> None:
    jobs = [account.add_job(), account.add_job()]
    given = "\r\n".join(jobs).encode(encoding)
    assert run("get", "-", "-q", given=given).stdout.split() == jobs


def test_a_job_is_replayed_once_however_it_is_named(account: Sandbox) -> None:
    job = account.add_job()
    uri = f"{account.base_url}/Agencies/{account.account_sid}/Jobs/{job}/Download"
    done = run("replay", job, "-", uri, given=f"{job.upper()}\n")
    assert (done.exit_code, len(account.job_ids)) == (0, 2)


def test_text_from_stdin_cannot_control_the_terminal(account: Sandbox) -> None:
    assert account.job_ids == ()
    for options in ([], ["--json"]):
        done = run("get", "-", *options, given="\x1b]0;pwn\x07\u202e\n\u009b2J\n")
        assert done.exit_code == 2
        assert not {"\x1b", "\x07", "\u009b"} & set(done.output)
        assert options or "\u202e" not in done.output


def test_a_full_stderr_changes_nothing(account: Sandbox, folder: Path) -> None:
    job = account.add_job()
    # Python buffers stderr unless the environment forbids it, and fails at its exit if the buffer can't be written.
    done = shell(f"unset PYTHONUNBUFFERED; impact-jobs get {ONE} {job} -q 2>/dev/full; echo $?", folder=folder)
    assert done.stdout.split() == [job, "3"]
