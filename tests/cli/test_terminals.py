"""Output on terminals of every kind, and in pipes."""

from __future__ import annotations

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

from tests.cli.running import SECONDS, at_terminal, run, run_at_terminal, start

COLOURS = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def plain(text: str) -> str:
    return ESCAPES.sub("", text)


def some_jobs(sandbox: Sandbox) -> list[str]:
    return [
        sandbox.add_job(status="RUNNING", stuck_at=40),
        sandbox.add_job(status="FAILED", message="Die Abfrage enthält zu viele Zeilen \u2013 bitte einschränken."),
        sandbox.add_job(),
    ]


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("unicode", [True, False], ids=["unicode", "ascii"])
def test_a_table_fits_the_terminal_and_shows_whole_ids(columns: int, unicode: bool, account: Sandbox) -> None:  # noqa: FBT001
    jobs = some_jobs(account)
    code, text = run_at_terminal("list", columns=columns, environ={} if unicode else {"LANG": "C"})
    lines = plain(text).splitlines()
    assert code == 0
    assert all(any(job in line for line in lines) for job in jobs)
    assert max(map(len, lines)) <= columns
    assert unicode or text.isascii()
    assert ("enth" in text) == (columns == 200)


def test_the_width_is_that_of_the_terminal(account: Sandbox) -> None:
    (job, *_) = some_jobs(account)
    with at_terminal("list", columns=40) as terminal:
        _, text = terminal.read_to_the_end()
    assert f"{job}\r\n  RUNNING 40%" in plain(text).replace("\n", "\r\n")


def test_a_pipe_gets_plain_lines(account: Sandbox) -> None:
    jobs = some_jobs(account)
    out = run("list").stdout
    assert sorted(line.split("\t")[0] for line in out.splitlines()) == sorted(jobs)
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"TERM": "dumb", "FORCE_COLOR": "1"}, False)],
    ids=["plainly", "NO_COLOR", "TERM=dumb", "dumb-but-forced"],
)
def test_colours_follow_the_environment(environ: dict[str, str], coloured: bool, account: Sandbox) -> None:  # noqa: FBT001
    some_jobs(account)
    _, text = run_at_terminal("list", environ=environ)
    colours = [code for code in COLOURS.findall(text) if re.search(r"3[0-7]", code)]
    assert bool(colours) == coloured


def test_forced_colours_keep_the_lines_of_a_pipe(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = some_jobs(account)
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert {line[0] for line in lines} == set(jobs)
    assert {line[1] for line in lines} == {
        "\x1b[36mRUNNING\x1b[0m",
        "\x1b[31mFAILED\x1b[0m",
        "\x1b[32mCOMPLETED\x1b[0m",
    }
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("list").stdout


def test_a_character_that_the_encoding_lacks_is_replaced(account: Sandbox) -> None:
    (_, failed, _) = some_jobs(account)
    for options in ([], ["--json"]):
        done = run("get", failed, *options, charset="ascii")
        assert (done.exit_code, done.stderr) == (0, "")
        assert ("enth\\u00e4lt" if options else "enth?lt") in done.stdout


def test_a_bar_is_drawn_on_a_terminal_and_erased_at_the_end(account: Sandbox) -> None:
    job = account.add_job(seconds=0.3)
    with at_terminal("wait", job) as terminal:
        terminal.read_until("[\u2500\u2501].*waited")
        code, text = terminal.read_to_the_end()
    assert code == 0
    assert re.search(rf"\x1b\[2K\s*{job}", text)  # the bar was erased before the result was written
    assert plain(text.rpartition("\x1b[2K")[2]).strip() == ""  # and at the end


def test_a_dumb_terminal_gets_lines(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with at_terminal("wait", job, environ={"TERM": "dumb"}) as terminal:
        text = terminal.read_until(f"impact-jobs: {job}: RUNNING, 40%")
    assert "\x1b" not in text


def test_bars_are_ascii_without_unicode(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with at_terminal("wait", job, environ={"LANG": "C"}) as terminal:
        text = terminal.read_until("---.*40%.*waited")
    assert text.isascii()


def test_the_bar_goes_to_stderr_if_stdout_is_a_file(account: Sandbox, tmp_path: Path) -> None:
    done, stuck = account.add_job(), account.add_job(status="RUNNING", stuck_at=40)
    with (tmp_path / "out").open("w") as out, at_terminal("wait", done, stuck, stdout=out.fileno()) as terminal:
        text = terminal.read_until("1 of 2 ended.*waited")
    assert done not in text
    assert (tmp_path / "out").read_text().split("\t")[0] == done


@pytest.mark.parametrize("command", ["wait", "watch", "download", "fetch"])
def test_ctrl_c_prints_the_command_that_continues(command: str, account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    more = {
        "download": ["an excellent file.csv", "--wait", "--timeout", "2h"],
        "fetch": ["--into", "reports", "--timeout", "2h"],
        "wait": ["--timeout", "forever"],
    }.get(command, [])
    with at_terminal("--quiet", command, job, *more) as terminal:
        wait_for_request(account)
        terminal.press(b"\x03")
        code, text = terminal.read_to_the_end()
    options = {
        "download": f"{job} 'an excellent file.csv' --wait --timeout 7200",
        "fetch": f"{job} --into reports --timeout 7200",
        "wait": f"{job} --timeout forever",
    }.get(command, job)
    lines = plain(text.replace("^C\r\x1b[K", "")).strip().splitlines()  # as a terminal shows it: the line is erased
    assert code == 130
    assert lines[-1] == f"impact-jobs: interrupted; to continue: impact-jobs --quiet {command} {options}"


def test_ctrl_c_in_a_download_prints_the_command_that_resumes_it(account: Sandbox) -> None:
    job = account.add_job(result_bytes=64_000_000)
    account.answer_next(
        "GET", f"/results/{job}.csv", status=200, body=b"x" * 1000, headers={"Content-Length": "64000000"}
    )
    account.answer_next("GET", f"/results/{job}.csv", status=503, headers={"Retry-After": "60"}, times=9)
    with at_terminal("download", job, "actions.csv") as terminal:
        terminal.read_until("downloading")
        terminal.press(b"\x03")
        code, text = terminal.read_to_the_end()
    assert code == 130
    assert text.count("impact-jobs:") == 1
    assert f"to continue: impact-jobs download {job} actions.csv" in plain(text)
    assert not Path("actions.csv").exists()


def test_ctrl_c_in_a_replay_prints_no_command_that_replays_again(account: Sandbox) -> None:
    job = account.add_job()
    account.answer_next("PUT", f"/{job}/Replay", status=500, delay=20.0)
    with at_terminal("replay", job) as terminal:
        wait_for_request(account)
        terminal.press(b"\x03")
        code, text = terminal.read_to_the_end()
    assert code == 130
    assert f"the replay of {job} may have been sent: look at `impact-jobs list --since 10m`" in text


def test_the_command_that_continues_names_the_ids_from_stdin(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with start("wait", "-") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{job}\n")
        process.stdin.close()
        process.stdin = None
        wait_for_request(account)
        process.send_signal(2)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith(f"to continue: impact-jobs wait {job}\n")


def test_ids_are_read_from_the_terminal(account: Sandbox) -> None:
    job = account.add_job()
    with at_terminal("wait", "-") as terminal:
        terminal.read_until("Ctrl-D ends the list")
        terminal.press(f"{job}\n\x04".encode())
        code, _ = terminal.read_to_the_end()
    assert code == 0


def wait_for_request(sandbox: Sandbox) -> None:
    """Wait until the sandbox has received a request."""
    deadline = time.monotonic() + SECONDS
    while not sandbox.requests:
        assert time.monotonic() < deadline, "no request arrived"
        time.sleep(0.002)  # so that the command gets the processor


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        ("get {job}", r"status\s+COMPLETED\r\n.*records processed\s+\d+\r\n.*replayable\s+yes\r\n"),
        ("wait {job}", r"{job}  COMPLETED  \d+ records, after \d+[sm]\r\n"),
        ("download {job} actions.csv", r"actions.csv  2.0 kB, .*/s\r\n"),
        ("fetch {job} --into .", r"{job}.csv  2.0 kB, .*/s\r\n.*1 of 1 files are in \., 2.0 kB\r\n"),
        ("--quiet list", r"^{job}\r\n$"),
        ("list --status QUEUED", r"^impact-jobs: no jobs\r\n$"),
    ],
)
def test_a_terminal_gets_lines_for_people(command: str, shows: str, account: Sandbox) -> None:
    job = account.add_job(result_bytes=2_000)
    code, text = run_at_terminal(*command.format(job=job).split())
    assert code == 0
    assert re.search(shows.replace("{job}", job), plain(text).replace("\n", "\r\n"), re.DOTALL), text


def test_an_existing_file_is_reported_as_complete(account: Sandbox) -> None:
    job = account.add_job(result_bytes=2_000)
    run("fetch", job, "--into", ".")
    assert "2.0 kB, already complete" in plain(run_at_terminal("fetch", job, "--into", ".")[1])


def test_a_first_page_is_reported_as_such(account: Sandbox) -> None:
    body = '{"@page": "1", "@numpages": "3", "Records": []}'
    account.answer_next("GET", ".csv", status=200, body=body, times=3)
    for arguments in (("download", "{job}", "a.json"), ("fetch", "{job}", "--into", ".")):
        job = account.add_job()
        shown = plain(run_at_terminal(*(argument.replace("{job}", job) for argument in arguments))[1])
        assert "1 page of 3 only" in shown.replace("\r\n", " ")
    done = run("download", account.add_job(), "-")
    assert (done.stdout, "page 1 of 3 only" in done.stderr) == (body, True)


def test_no_bar_is_drawn_among_bytes_on_the_terminal(account: Sandbox) -> None:
    job = account.add_job(result_bytes=2_000)
    with at_terminal("download", job, "-") as terminal:
        code, text = terminal.read_to_the_end()
    assert code == 0
    assert text.replace("\r\n", "\n") == b"".join(account.result(job).read()).decode()


def test_watch_draws_the_table_below_the_log(account: Sandbox) -> None:
    completed, job = account.add_job(), account.add_job(status="RUNNING", stuck_at=40)
    with at_terminal("watch", completed, job, "-v", columns=200) as terminal:
        text = terminal.read_until(f"info: job {job} is RUNNING\r\n(?s:.*)ENDS UTC(?s:.*)1 running, 1 completed")
    logged = text.index("info: job")
    # The lines of the table are erased first, and drawn again below.
    assert text.rindex("\x1b[2K", 0, logged) > text.index("JOB")


def test_a_second_ctrl_c_ends_the_process_at_once(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    handlers: list[object] = []

    def note(*_: object) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    monkeypatch.setattr("impact_jobs.client.JobsClient.get", interrupted)
    monkeypatch.setattr("impact_jobs.cli.output.write_line", note)
    before = signal.getsignal(signal.SIGINT)
    assert run("get", account.add_job()).exit_code == 130
    assert handlers == [signal.SIG_DFL]
    assert signal.getsignal(signal.SIGINT) == before


def test_the_command_can_run_in_a_thread(account: Sandbox) -> None:
    job = account.add_job()
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(run, "list", "-q").result().stdout.split() == [job]
