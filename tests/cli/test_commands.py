"""The output of each command: JSON, ids and paths, lines for pipes."""

from __future__ import annotations

import hashlib
import json
import signal
from datetime import datetime
from pathlib import Path

import pytest
from attrs import fields
from impact_jobs import DownloadResult, Job
from impact_jobs.cli.app import cli
from impact_jobs.sandbox import Sandbox

from tests.cli.running import run, run_at_terminal, start

DAY = 86_400.0


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def words(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_list_writes_a_line_per_job_newest_first(account: Sandbox) -> None:
    old = account.add_job(age=2 * DAY)
    new = account.add_job(age=DAY, status="FAILED", message="Too many\trecords.")
    assert [(line[0], line[1], line[6]) for line in words(run("list").stdout)] == [
        (new, "FAILED", "Too many records."),
        (old, "COMPLETED", "-"),
    ]


def test_list_shows_what_has_arrived_before_a_page_fails(account: Sandbox) -> None:
    with account.client() as client:
        entry = client.get(account.add_job()).raw
    first = {"@total": "2", "@nextpageuri": f"/Agencies/{account.account_sid}/Jobs?Page=2", "Jobs": [entry]}
    account.answer_next("GET", "/Jobs", status=200, body=json.dumps(first))
    account.answer_next("GET", "/Jobs", status=400)
    result = run("list")
    assert result.exit_code == 2
    assert [line[0] for line in words(result.stdout)] == [entry["Id"]]
    assert "HTTP 400" in result.stderr


def test_list_selects_by_date_type_and_status(account: Sandbox) -> None:
    old = account.add_job(age=5 * DAY)
    click = account.add_job(type="ClickExport")
    failed = account.add_job(status="FAILED", age=1.0)

    def listed(*options: str) -> list[str]:
        return run("list", "--quiet", *options).stdout.split()

    assert listed() == [click, failed, old]
    assert listed("--since", "2d") == [click, failed]
    assert listed("--until", "2d") == [old]
    assert listed("--type", "clickexport") == [click]
    assert listed("--status", "FAILED", "--status", "cancelled") == [failed]
    assert listed("--limit", "1") == [click]


def test_until_a_day_includes_all_its_hours(account: Sandbox) -> None:
    job = account.add_job()
    assert run("list", "--quiet", "--until", "today").stdout.split() == [job]
    assert run("list", "--quiet", "--until", "yesterday").stdout.split() == []


def test_the_json_of_a_job_has_all_attributes_except_raw(account: Sandbox) -> None:
    job_id = account.add_job(fields={"StatusMessage": "see https://storage.example/file?Signature=abc"})
    (job,) = json_lines(run("get", job_id, "--json").stdout)
    assert job.keys() == {field.name for field in fields(Job)} - {"raw"} | {"is_terminal"}
    assert (job["id"], job["status"], job["percentage_complete"], job["is_terminal"]) == (
        job_id,
        "COMPLETED",
        100,
        True,
    )
    assert job["status_message"] == "see https://storage.example/file?***"
    assert datetime.fromisoformat(str(job["created_date"])).tzinfo is not None
    assert job["cancelled_date"] is None


@pytest.mark.parametrize("arguments", [["--json", "list"], ["list", "--json"]], ids=" ".join)
def test_shared_options_may_stand_before_and_after_the_command(arguments: list[str], account: Sandbox) -> None:
    job = account.add_job()
    assert json_lines(run(*arguments).stdout)[0]["id"] == job


def test_get_reports_every_job_if_one_is_missing(account: Sandbox) -> None:
    job, missing = account.add_job(), "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
    done = run("get", missing, job)
    assert (done.exit_code, words(done.stdout)[0][0]) == (3, job)
    first, second = json_lines(run("get", missing, job, "--json").stdout)
    error = first["error"]
    assert isinstance(error, dict)
    assert (first["id"], error["type"], error["exit_code"], error["status_code"]) == (
        missing,
        "JobNotFoundError",
        3,
        404,
    )
    assert second["id"] == job


def test_wait_continues_with_the_others_if_one_fails(account: Sandbox) -> None:
    failed = account.add_job(status="FAILED", message="Too many records.")
    completed = account.add_job()
    done = run("wait", failed, completed, "--quiet")
    assert (done.exit_code, done.stdout.split()) == (1, [completed])
    found = {str(line["id"]): line for line in json_lines(run("wait", failed, completed, "--json", "-q").stdout)}
    error = found[failed]["error"]
    assert isinstance(error, dict)
    assert error["job"]["status_message"] == "Too many records."
    assert found[completed]["status"] == "COMPLETED"


def test_a_path_is_written_unchanged_except_for_control_characters(account: Sandbox) -> None:
    job = account.add_job()
    name = "what? Signature=no secret.csv"
    assert run("download", job, name, "-q").stdout == f"{name}\n"
    assert words(run("download", job, name, "--overwrite").stdout)[0][1] == name
    assert json_lines(run("download", job, name, "--overwrite", "--json").stdout)[0]["path"] == name
    control_characters = "\x1b[2J\n.csv"
    assert words(run("download", job, control_characters).stdout)[0][1] == "\ufffd[2J\ufffd.csv"


def test_download_uses_the_given_name_or_that_of_the_storage(account: Sandbox) -> None:
    job = account.add_job(result_bytes=2_000)
    sha256 = account.result(job).sha256
    (line,) = words(run("download", job).stdout)
    assert (line[0], line[2:]) == (job, ["2000", sha256])
    assert hashlib.sha256(Path(line[1]).read_bytes()).hexdigest() == sha256
    assert run("download", job, "-o", "mine.csv", "--quiet").stdout == "mine.csv\n"
    (found,) = json_lines(run("download", job, "mine.csv", "--overwrite", "--json").stdout)
    assert found.keys() == {field.name for field in fields(DownloadResult)} - {"job", "job_id"} | {"id"}
    assert (found["id"], found["path"], found["sha256"]) == (job, "mine.csv", sha256)


@pytest.mark.parametrize("where", [["-"], ["-o", "-"], ["--stdout"]], ids=" ".join)
@pytest.mark.parametrize("way", [[], ["--stream"]], ids=["redirect", "stream"])
def test_download_can_write_the_bytes_to_stdout(where: list[str], way: list[str], account: Sandbox) -> None:
    job = account.add_job(result_bytes=2_000)
    done = run("download", job, *where, *way)
    assert hashlib.sha256(done.stdout_bytes).hexdigest() == account.result(job).sha256
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("impact_clock")
def test_download_can_wait_first(account: Sandbox) -> None:
    job = account.add_job(seconds=300)
    assert run("download", job, "early.csv").exit_code == 4
    assert run("download", job, "late.csv", "--wait", "--timeout", "10m", "--connections", "2").exit_code == 0
    assert [path.name for path in Path().glob("*.csv")] == ["late.csv"]
    later = account.add_job(seconds=300, result_bytes=2_000)
    assert len(run("download", later, "--stdout", "--wait").stdout_bytes) == 2_000


def test_several_downloads_need_a_folder(account: Sandbox) -> None:
    jobs = [account.add_job(), account.add_job()]
    done = run("download", "-", "one.csv", given="\n".join(jobs))
    assert (done.exit_code, "need a folder" in done.stderr) == (2, True)
    Path("both").mkdir()
    assert run("download", "-", "both", given="\n".join(jobs)).exit_code == 0
    assert len(list(Path("both").iterdir())) == 2


def test_fetch_downloads_all_and_requests_nothing_twice(account: Sandbox) -> None:
    jobs = {account.add_job(), account.add_job()}
    account.add_job(type="ClickExport")
    done = run("fetch", "--since", "1d", "--type", "ApiReport", "--status", "COMPLETED", "--into", "reports")
    assert {line[0] for line in words(done.stdout)} == jobs == {path.stem for path in Path("reports").iterdir()}
    assert "2 of 2 files are in reports" in done.stderr
    account.forget_requests()
    assert run("fetch", *jobs, "--into", "reports").exit_code == 0
    assert account.requests == ()


def test_fetch_reports_each_failed_job(account: Sandbox) -> None:
    completed, failed = account.add_job(), account.add_job(status="FAILED")
    done = run("fetch", completed, failed, "--into", "reports", "--json", "--concurrency", "1")
    assert done.exit_code == 1
    found = {str(line["id"]): line for line in json_lines(done.stdout)}
    assert found[completed]["bytes_written"] == 100_000
    assert "error" in found[failed]
    plain = run("fetch", completed, failed, "--into", "reports", "--quiet")
    assert plain.stdout == f"reports/{completed}.csv\n"
    assert plain.stderr.count(failed) == 1


def test_fetch_names_files_by_a_template(account: Sandbox) -> None:
    job = account.add_job()
    done = run("fetch", job, "--into", "reports", "--name", "{type}_{id}")
    assert words(done.stdout)[0][1] == f"reports/ApiReport_{job}.csv"
    assert (Path("reports") / "manifest.jsonl").exists()
    wrong = run("fetch", job, "--into", "reports", "--name", "{typ}")
    assert wrong.exit_code == 2
    assert "Did you mean {type}?" in wrong.stderr


def test_a_file_with_the_same_bytes_is_called_unchanged(account: Sandbox) -> None:
    job = account.add_job()
    assert "unchanged" not in run("download", job, "a.csv").stderr
    assert "a.csv: unchanged" in run("download", job, "a.csv", "--overwrite").stderr
    assert json_lines(run("download", job, "a.csv", "--overwrite", "--json").stdout)[0]["unchanged"] is True
    _, shown = run_at_terminal("download", job, "a.csv", "--overwrite")
    assert "unchanged" in shown


def test_fetch_needs_jobs_or_a_selection(account: Sandbox) -> None:
    job = account.add_job()
    assert run("fetch", "--into", "reports").exit_code == 2
    assert run("fetch", job, "--since", "2d", "--into", "reports").exit_code == 2
    assert run("fetch", job).exit_code == 2
    nothing = run("fetch", "--since", "1d", "--status", "CANCELLED", "--into", "reports")
    assert (nothing.exit_code, nothing.stdout) == (0, "")


def test_replay_writes_the_new_jobs(account: Sandbox) -> None:
    job = account.add_job()
    (fresh,) = run("replay", job, "--quiet").stdout.split()
    assert fresh != job
    assert account.job_ids == (job, fresh)


def test_replay_skips_jobs_that_cannot_be_replayed_on_request(account: Sandbox) -> None:
    job, never = account.add_job(), account.add_job(replayable=False)
    assert run("replay", never).exit_code == 3
    done = run("replay", never, job, "--if-replayable")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1)
    assert f"{never} cannot be replayed" in done.stderr


@pytest.mark.usefixtures("impact_clock")
def test_watch_writes_a_line_per_change_until_all_have_ended(account: Sandbox) -> None:
    done_before = account.add_job()
    running = account.add_job(seconds=40)
    done = run("watch", "--json", "--since", "1h")
    found = json_lines(done.stdout)
    assert {line["id"] for line in found} == {done_before, running}
    assert found[-1]["status"] == "COMPLETED"
    assert len({json.dumps(line) for line in found}) == len(found)
    assert run("watch").stderr == "impact-jobs: no jobs are running\n"
    assert "STATUS" not in run_at_terminal("watch")[1]


@pytest.mark.usefixtures("impact_clock")
def test_watch_has_the_exit_code_of_its_failed_jobs(account: Sandbox) -> None:
    job = account.add_job(seconds=20, status="FAILED", message="Too many records.")
    done = run("watch", job)
    assert done.exit_code == 1
    assert words(done.stdout)[-1][1] == "FAILED"
    assert "Too many records." in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str, account: Sandbox) -> None:  # noqa: ARG001 - no account is used
    done = run("completion", shell)
    assert done.exit_code == 0
    assert "_IMPACT_JOBS_COMPLETE" in done.stdout
    assert json_lines(run("completion", shell, "--json").stdout)[0]["script"] == done.stdout


def test_commands_options_and_values_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(line: str) -> set[str]:
        monkeypatch.setenv("_IMPACT_JOBS_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        return {each.partition(",")[2] for each in run().stdout.splitlines()}

    assert completed("impact-jobs w") == {"wait", "watch"}
    assert "--since" in completed("impact-jobs list --s")
    assert completed("impact-jobs list --status COMP") == {"COMPLETED"}
    assert completed("impact-jobs completion z") == {"zsh"}


def test_verbose_writes_the_log_to_stderr(account: Sandbox) -> None:
    job = account.add_job()
    assert run("download", job, "a.csv").stderr == ""
    log = run("download", job, "b.csv", "-v").stderr
    assert "bytes are in b.csv" in log
    assert "?Signature" not in run("download", job, "c.csv", "-vv").stderr


def test_a_profile_replaces_the_environment(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job = account.add_job()
    added = run(
        "profile", "add", "test", "--account-sid", account.account_sid, "--base-url", account.base_url,
        given=account.auth_token,
    )  # fmt: skip
    assert added.exit_code == 0, added.output
    for name in account.environ:
        monkeypatch.delenv(name)
    assert run("list", "--profile", "test", "--quiet").stdout.split() == [job]
    assert run("--profile", "test", "list", "--quiet").stdout.split() == [job]
    assert run("list", "--profile", "other").exit_code == 2
    assert run("list").exit_code == 2


def test_every_name_in_the_help_is_that_of_its_command() -> None:
    context = cli.make_context("impact-jobs", ["list"])
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name


@pytest.mark.usefixtures("folder")
def test_the_command_can_use_the_sandbox_that_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with start("sandbox", "--json") as process:
        assert process.stdout is not None
        for name, value in json.loads(process.stdout.readline()).items():
            monkeypatch.setenv(name, value)
        assert len(run("list", "-q").stdout.split()) == 3
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=20)
    assert (process.returncode, rest, "Traceback" in err) == (0, "", False)


def test_an_unknown_option_of_the_sandbox_is_a_usage_error() -> None:
    assert run("sandbox", "--no-such-option").exit_code == 2
