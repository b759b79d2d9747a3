"""The help of every command, its examples, and docs/cli.md."""

from __future__ import annotations

import json
import re
import shutil
import stat
import sys
from pathlib import Path

import click
import pytest
from impact_jobs import DownloadResult, Job, JobNotFoundError
from impact_jobs.cli import output
from impact_jobs.cli.app import cli
from impact_jobs.cli.exit_codes import MEANINGS
from impact_jobs.cli.sync_report import file_object
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import FileState

from tests.cli.page import PAGE, commands, documented, help_of, rewritten
from tests.cli.running import run, run_line, shell
from tests.sync.samples import planned, synced

ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
PLAN = """
[[report]]
id = "agency_action_listing"
from = "2d"
split = "day"
into = "{start}.csv"
"""
COMMANDS = list(commands())
EXAMPLES = [example for _, command in COMMANDS for example in getattr(command, "examples", ())]
# They run until they are stopped, write to a user's settings, or need another shell than bash.
NOT_RUN = re.compile(r"impact-jobs (sandbox|profile)|eval .*zsh")
NEEDS = {"jq": shutil.which("jq")}


@pytest.mark.parametrize(
    ("words", "command"), COMMANDS, ids=[" ".join(words) or "impact-jobs" for words, _ in COMMANDS]
)
def test_every_command_has_help_examples_and_documented_options(words: tuple[str, ...], command: click.Command) -> None:
    text = help_of(*words)
    summary = command.get_short_help_str(limit=1000)
    assert re.fullmatch(r"[A-Z].*\.", summary)
    if not isinstance(command, click.Group) or command is cli:
        assert "Examples:\n  " in text
        assert command.examples  # type: ignore[attr-defined] # of App and Command
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{words} {option.opts}"
            assert option.help.endswith((".", "]")), f"{words} {option.opts}"
            assert option.opts[-1] in text
    assert {"-h", "--help"} <= {
        name for option in command.get_params(click.Context(cli)) for name in option.opts
    } or words


def test_the_overview_has_the_summary_of_every_command() -> None:
    text = " ".join(help_of().split())
    for words, command in COMMANDS:
        if len(words) == 1:
            assert f" {words[0]} {command.get_short_help_str(limit=1000)}" in text


def test_the_overview_lists_the_exit_codes() -> None:
    text = " ".join(help_of().split())
    assert all(f"{code} {what}{then and f': {then}'}" in text for code, (what, then) in MEANINGS.items())


def test_the_page_quotes_the_help_of_every_command() -> None:
    page = PAGE.read_text()
    assert rewritten(page) == page, "run `python -m tests.cli.page`"
    wanted = [words for words, command in COMMANDS if not isinstance(command, click.Group) or command is cli]
    assert sorted(documented(page)) == sorted(wanted)


def test_the_json_on_the_page_has_the_same_names_as_the_output() -> None:
    job, result, planned_file, failure = map(json.loads, re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL))
    snapshot = Job(id=ID, status="QUEUED")
    assert list(job) == list(output.job_object(snapshot))
    file = DownloadResult(
        path=Path("actions.csv"), job_id=ID, job=None, bytes_written=1, sha256=None, content_type=None, filename=None,
        resumed_from=0, connections=1, seconds=0.1,
    )  # fmt: skip
    assert list(result) == list(output.result_object(file))
    assert list(planned_file) == list(file_object(synced(planned("2026-05"), FileState.CHANGED)))
    error = JobNotFoundError("", status_code=404)
    error.job_id = ID
    written = output.error_object(error, code=3)
    assert list(failure) == list(written)
    assert list(failure["error"]) == list(written["error"])


@pytest.mark.parametrize("example", [each for each in EXAMPLES if not NOT_RUN.match(each)])
def test_the_examples_run(example: str, account: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool, path in NEEDS.items():
        if f"| {tool} " in example and path is None:
            pytest.skip(f"{tool} is not installed")
    job = account.add_job()
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    (folder / "reports").mkdir()
    (folder / "reports.toml").write_text(PLAN)
    monkeypatch.setenv("HOME", str(folder))
    line = example.replace(ID, job)
    if "$(" in line or ">" in line:  # for a shell
        done = shell(line, folder=folder)
        code, err = done.returncode, done.stderr
    else:
        code, _, err = run_line(line)
    assert code in ({0, 2, 5} if "doctor" in example else {0}), err  # doctor finds faults with some machines
    assert "Traceback" not in err


def test_most_examples_are_run() -> None:
    not_run = [each for each in EXAMPLES if NOT_RUN.match(each)]
    assert len(EXAMPLES) > 2 * len(not_run)
    for example in not_run:
        assert any(f"impact-jobs {' '.join(words)}" in example for words, _ in COMMANDS if words), example


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_completion_script_is_valid_for_its_shell(name: str, folder: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    (folder / "script").write_text(run("completion", name).stdout)
    done = shell(f"{name} -n script", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes_commands_with_the_script(account: Sandbox, folder: Path) -> None:
    assert account.job_ids == ()
    program = folder / "impact-jobs"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m impact_jobs.cli "$@"\n')
    program.chmod(stat.S_IRWXU)
    done = shell(
        'unset -f impact-jobs; PATH=".:$PATH"; eval "$(impact-jobs completion bash)";'
        ' COMP_WORDS=(impact-jobs wa); COMP_CWORD=1; _impact_jobs_completion ./impact-jobs; echo "${COMPREPLY[@]}"',
        folder=folder,
    )
    assert (done.stdout, done.stderr) == ("wait watch\n", "")


def test_help_loads_neither_rich_nor_httpx() -> None:
    code = (
        "import sys; from impact_jobs.cli.app import cli; from click.testing import CliRunner; "
        "CliRunner().invoke(cli, ['--help']); print([name for name in ('rich', 'httpx') if name in sys.modules])"
    )
    done = shell(f'"{sys.executable}" -c "{code}"', folder=Path.cwd())
    assert done.stdout == "[]\n"
