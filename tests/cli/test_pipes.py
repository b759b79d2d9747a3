"""Commands piped into one another, and into others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest
from impact_jobs.cli.context import Session
from impact_jobs.cli.references import read
from impact_jobs.sandbox import Sandbox

from tests.cli.running import COMMAND, run, shell

ONE, TWO = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "8d1b7e54-7b0c-4c53-a3b1-2f1f5a1b9c10"


def test_names_are_the_first_words_of_lines_or_the_ids_of_json_objects() -> None:
    lines = [
        "",
        "# yesterday's",
        f"{ONE}\tCOMPLETED\t100%",
        f'  {{"id": "{TWO}", "status": "QUEUED"}}',
        "/Agencies/IR1/Jobs/x",
    ]
    assert list(read(lines, Session(quiet=True))) == [ONE, TWO, "/Agencies/IR1/Jobs/x"]


def test_lines_that_tell_of_a_failure_are_passed_over() -> None:
    assert list(read([f'{{"id": "{ONE}", "error": {{}}}}', f'{{"job_id": "{TWO}"}}'], Session(quiet=True))) == [TWO]


@pytest.mark.parametrize("line", ["{", '{"id": 7}', '{"name": "x"}', '{"id": null}', "{}" * 3, "{[" * 100_000])
def test_other_json_is_refused(line: str) -> None:
    with pytest.raises(click.UsageError, match="line 1 of stdin"):
        list(read([line], Session(quiet=True)))


def test_a_job_that_is_named_twice_counts_once_and_no_jobs_are_no_error(account: Sandbox) -> None:
    job = account.add_job()
    assert run("get", job, "-", "-q", given=f"{job}\n{job}\n").stdout.split() == [job]
    nothing = run("wait", "-", given="")
    assert (nothing.exit_code, nothing.stderr) == (0, "impact-jobs: no jobs, nothing to do\n")


@pytest.mark.parametrize("form", ["", "--quiet", "--json"])
def test_replay_wait_and_download_in_one_line(form: str, account: Sandbox, folder: Path) -> None:
    job = account.add_job()
    done = shell(
        f"impact-jobs replay {job} {form} | impact-jobs wait - {form} | impact-jobs download - {form}", folder=folder
    )
    fresh = account.job_ids[-1]
    assert done.returncode == 0, done.stderr
    assert fresh != job
    assert fresh[:8] in done.stdout
    assert len(list(folder.glob("*.csv"))) == 1


def test_a_failed_job_is_told_once_in_a_pipe(account: Sandbox, folder: Path) -> None:
    failed, completed = account.add_job(status="FAILED"), account.add_job()
    done = shell(f"impact-jobs wait {failed} {completed} --json | impact-jobs download - --quiet", folder=folder)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("form", ["", "--json", "--quiet"])
def test_a_reader_that_has_enough_ends_it_quietly(form: str, account: Sandbox, folder: Path) -> None:
    for _ in range(3000 if form == "--quiet" else 1000):
        account.add_job()
    done = shell(f"impact-jobs list {form} | head -1; echo ${{PIPESTATUS[0]}}", folder=folder)
    assert done.stdout.splitlines()[1:] == ["141"]
    assert done.stderr == ""


def test_a_download_into_a_reader_that_has_enough_ends_quietly(account: Sandbox, folder: Path) -> None:
    job = account.add_job(result_bytes=5_000_000)
    done = shell(f'impact-jobs download {job} - | head -c 11; echo " ${{PIPESTATUS[0]}}"', folder=folder)
    assert (done.stdout.splitlines(), done.stderr) == (["Action_Id,A 141"], "")


def test_closed_streams_are_no_traceback(account: Sandbox, folder: Path) -> None:
    account.add_job()
    assert "Traceback" not in shell("impact-jobs list 2>&-; impact-jobs list >&-", folder=folder).stderr


def test_a_stdin_that_is_no_text_is_an_error_and_no_traceback(account: Sandbox, folder: Path) -> None:
    assert account.job_ids == ()
    done = subprocess.run(  # noqa: S603 - our own program
        [*COMMAND, "get", "-"], input=b"\xff\xfe\x00", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert list(folder.iterdir()) == []
