"""At a terminal, at none, and at poor ones."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

from tests.cli.running import at_terminal, start

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
def test_a_table_fits_the_terminal_and_shows_ids_whole(columns: int, unicode: bool, account: Sandbox) -> None:  # noqa: FBT001
    jobs = some_jobs(account)
    with at_terminal("list", columns=columns, environ={} if unicode else {"LANG": "C"}) as terminal:
        code, text = terminal.read_to_the_end()
    lines = plain(text).splitlines()
    assert code == 0
    assert all(any(job in line for line in lines) for job in jobs)
    assert max(map(len, lines)) <= columns
    assert unicode or text.isascii()
    assert ("enth" in text) == (columns == 200)


def test_a_pipe_gets_plain_lines(account: Sandbox) -> None:
    jobs = some_jobs(account)
    with start("list") as process:
        out, _ = process.communicate(timeout=20)
    assert [line.split("\t")[0] for line in out.splitlines()] == jobs[::-1] or len(out.splitlines()) == 3
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"TERM": "dumb", "FORCE_COLOR": "1"}, False)],
    ids=["plainly", "NO_COLOR", "TERM=dumb", "dumb-but-forced"],
)
def test_colours_are_as_the_environment_wants_them(environ: dict[str, str], coloured: bool, account: Sandbox) -> None:  # noqa: FBT001
    some_jobs(account)
    with at_terminal("list", environ=environ) as terminal:
        _, text = terminal.read_to_the_end()
    colours = [code for code in COLOURS.findall(text) if re.search(r"3[0-7]", code)]
    assert bool(colours) == coloured


def test_forced_colours_leave_pipes_their_lines(account: Sandbox) -> None:
    jobs = some_jobs(account)
    with start("list", environ={"FORCE_COLOR": "1"}) as process:
        out, _ = process.communicate(timeout=20)
    lines = [line.split("\t") for line in out.splitlines()]
    assert {line[0] for line in lines} == set(jobs)
    assert {line[1] for line in lines} == {
        "\x1b[36mRUNNING\x1b[0m",
        "\x1b[31mFAILED\x1b[0m",
        "\x1b[32mCOMPLETED\x1b[0m",
    }
    with start("list", environ={"FORCE_COLOR": "1", "NO_COLOR": "1"}) as process:
        assert "\x1b" not in process.communicate(timeout=20)[0]


def test_an_encoding_without_the_character_gets_another(account: Sandbox) -> None:
    (_, failed, _) = some_jobs(account)
    for options in ([], ["--json"]):
        with start("get", failed, *options, environ={"PYTHONIOENCODING": "ascii"}) as process:
            out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
        assert ("enth?lt" in out) or ("enth\\u00e4lt" in out)


def test_a_bar_is_drawn_on_a_terminal_and_gone_in_the_end(account: Sandbox) -> None:
    job = account.add_job(seconds=2.0)
    with at_terminal("wait", job) as terminal:
        terminal.read_until("\u2501.*waited")
        code, text = terminal.read_to_the_end()
    assert code == 0
    assert re.search(rf"\x1b\[2K\s*{job}", text)  # the bar was erased before the result came
    assert plain(text.rpartition("\x1b[2K")[2]).strip() == ""  # and in the end


def test_a_dumb_terminal_gets_lines(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with at_terminal("wait", job, environ={"TERM": "dumb"}) as terminal:
        text = terminal.read_until(f"impact-jobs: {job}: RUNNING, 40%")
    assert "\x1b" not in text


def test_ascii_bars_where_there_is_no_unicode(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with at_terminal("wait", job, environ={"LANG": "C"}) as terminal:
        text = terminal.read_until("#.*waited")
    assert text.isascii()


def test_the_bar_goes_to_stderr_though_stdout_is_a_file(account: Sandbox, tmp_path: Path) -> None:
    done, stuck = account.add_job(), account.add_job(status="RUNNING", stuck_at=40)
    with (tmp_path / "out").open("w") as out, at_terminal("wait", done, stuck, stdout=out.fileno()) as terminal:
        text = terminal.read_until("1 of 2 ended.*waited")
    assert done not in text
    assert (tmp_path / "out").read_text().split("\t")[0] == done


def test_watch_draws_the_board(account: Sandbox) -> None:
    account.add_job()
    job = account.add_job(status="RUNNING", stuck_at=40)
    with at_terminal("watch", "--since", "1h", columns=200) as terminal:
        text = terminal.read_until("1 running, 1 completed")
    assert "ENDS UTC" in text
    assert job in text


@pytest.mark.parametrize("command", ["wait", "watch", "download", "fetch"])
def test_ctrl_c_gives_a_line_with_the_command_to_go_on(command: str, account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    more = {
        "download": ["an excellent file.csv", "--wait", "--timeout", "2h"],
        "fetch": ["--into", "reports", "--timeout", "2h"],
        "wait": ["--timeout", "forever"],
    }.get(command, [])
    with at_terminal("--quiet", command, job, *more) as terminal:
        until_asked(account)
        terminal.press(b"\x03")
        code, text = terminal.read_to_the_end()
    options = {
        "download": f"{job} 'an excellent file.csv' --wait --timeout 7200",
        "fetch": f"{job} --into reports --timeout 7200",
        "wait": f"{job} --timeout forever",
    }.get(command, job)
    shown = plain(text.replace("^C\r\x1b[K", "")).strip().splitlines()  # as a terminal does: the line is erased
    assert code == 130
    assert shown[-1] == f"impact-jobs: interrupted; to go on: impact-jobs --quiet {command} {options}"


def test_ctrl_c_in_a_download_leaves_what_goes_on(account: Sandbox) -> None:
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
    assert f"to go on: impact-jobs download {job} actions.csv" in plain(text)
    assert not Path("actions.csv").exists()


def test_ctrl_c_in_a_replay_gives_no_command_that_replays_again(account: Sandbox) -> None:
    job = account.add_job()
    account.answer_next("PUT", f"/{job}/Replay", status=500, delay=20.0)
    with at_terminal("replay", job) as terminal:
        until_asked(account)
        terminal.press(b"\x03")
        code, text = terminal.read_to_the_end()
    assert code == 130
    assert f"the replay of {job} may have been sent: look at `impact-jobs list --since 10m`" in text


def test_ids_from_stdin_are_spelled_out_in_the_command_to_go_on(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with start("wait", "-") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{job}\n")
        process.stdin.close()
        process.stdin = None
        until_asked(account)
        process.send_signal(2)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith(f"to go on: impact-jobs wait {job}\n")


def test_ids_from_the_terminal_are_asked_for(account: Sandbox) -> None:
    job = account.add_job()
    with at_terminal("wait", "-") as terminal:
        terminal.read_until("Ctrl-D ends them")
        terminal.press(f"{job}\n\x04".encode())
        code, _ = terminal.read_to_the_end()
    assert code == 0


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_ps_shows_no_secret(account: Sandbox) -> None:
    job = account.add_job(status="RUNNING", stuck_at=40)
    with start("wait", job) as process:
        until_asked(account)
        shown = Path(f"/proc/{process.pid}/cmdline").read_text()  # all that ps knows of it
        process.terminate()
        out, err = process.communicate(timeout=20)
    assert job in shown
    assert account.auth_token not in shown + out + err


def until_asked(sandbox: Sandbox) -> None:
    """Wait until the sandbox has been asked for something."""
    while not sandbox.requests:
        os.sched_yield()
