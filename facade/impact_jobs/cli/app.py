"""The command group: it loads a subcommand when it runs, and turns every error into an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Final, NoReturn

import click

from impact_jobs import __version__
from impact_jobs.cli import exit_codes
from impact_jobs.cli.command import shared_options, write_examples
from impact_jobs.cli.state import state_of

# Where each command's function is, and its summary, so that `--help` need not load it; a test compares the summaries.
_COMMANDS: Final = {
    "export": ("export:export", "Export a report to a file, or a long range to one file per window."),
    "sync": ("sync:sync", "Keep the files of many reports up to date, as a plan describes them."),
    "reports": ("reports:reports", "Show the reports of the account, or the filters and columns of one."),
    "list": ("list:list_jobs", "Show the account's jobs, newest first."),
    "get": ("get:get", "Show jobs as they are now."),
    "wait": ("wait:wait", "Wait until jobs are completed."),
    "watch": ("watch:watch", "Show jobs live until all have ended."),
    "download": ("download:download", "Download the result of a job to a file, or to stdout."),
    "fetch": ("fetch:fetch", "Wait for many jobs and download their results into a folder."),
    "replay": ("replay:replay", "Run jobs again, for fresh data."),
    "profile": ("profile:profile", "Store credentials in named profiles."),
    "doctor": ("doctor:doctor", "Diagnose problems and suggest remedies."),
    "sandbox": ("sandbox:sandbox", "Run a local stand-in for the API."),
    "completion": ("completion:completion", "Print the completion script for a shell."),
}


class App(click.Group):
    """A group that loads a command when it is used, and reports errors in one line."""

    examples: tuple[str, ...] = (
        "impact-jobs export agency_action_listing --from 2026-05-01 --to 2026-05-31 --out out.csv",
        "impact-jobs list --since 2d --status COMPLETED",
        "impact-jobs replay 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 | impact-jobs wait - | impact-jobs download -",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return all names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """Load the command of that name; return None if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"impact_jobs.cli.commands.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the summaries without loading the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """Write the exit codes and the examples."""
        with formatter.section("Exit codes"):
            meanings = exit_codes.MEANINGS.items()
            formatter.write_dl([(str(code), ": ".join(filter(None, meaning))) for code, meaning in meanings])
        write_examples(formatter, self.examples)

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run a subcommand; turn any exception into a line on stderr and an exit code."""
        with _sigterm_raises():
            code = 0
            try:
                try:
                    super().invoke(ctx)
                except click.exceptions.Exit as done:
                    code = done.exit_code
                sys.stdout.flush()
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every error of a command ends here
                code = _report(ctx, error)
            _flush_or_discard()
        ctx.exit(code)


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise `TerminatedError` on SIGTERM within the block, and restore the handlers of SIGTERM and SIGINT after it."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise exit_codes.TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt), signal.SIGINT: signal.getsignal(signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(ctx: click.Context, error: BaseException) -> int:
    """Write `error` to stderr and return its exit code."""
    from impact_jobs.cli import output  # noqa: PLC0415 - needed for errors only
    from impact_jobs.cli.resume_hint import hint_of  # noqa: PLC0415 - the same

    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
    state, code = state_of(ctx), exit_codes.code_of(error)
    with suppress(OSError):  # stderr is closed, too
        if code in {exit_codes.INTERRUPTED, exit_codes.TERMINATED}:
            cause = "interrupted" if code == exit_codes.INTERRUPTED else "ended by SIGTERM"
            erase = "\r\x1b[K" if output.is_live(state.err) else ""  # the terminal's own ^C
            # Not through rich, which would repeat what it was about to write when the signal came.
            output.write_line(state.err, f"{erase}impact-jobs: {'; '.join(filter(None, (cause, hint_of(ctx))))}")
        elif isinstance(error, click.ClickException) and not state.json:
            error.show()
        elif code != exit_codes.READER_GONE:
            if code == exit_codes.BUG and state.verbose > 1:
                traceback.print_exception(error)
            output.write_error(state.err, error, code=code, as_json=state.json)
            state.note_refusal(error)
            if code == exit_codes.TIMEOUT and not state.json and (hint := hint_of(ctx)):
                state.note(hint)
    return code


def _flush_or_discard() -> None:
    """Flush both streams; redirect one that is full or closed to /dev/null, so that Python does not exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            os.close(sink)


@click.group(
    cls=App,
    commands={name: click.Command(name) for name in _COMMANDS},  # of which click suggests one
    params=shared_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="impact-jobs", help="Show the version and exit.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Export impact.com's reports, and wait for, download and replay its asynchronous jobs.

    Credentials come from IMPACT_ACCOUNT_SID and IMPACT_AUTH_TOKEN, or from a profile. Data goes to stdout, everything
    else to stderr. Commands that take jobs accept job ids, paths and URLs. With "-", they read jobs from stdin, as
    JSON lines or as the first word of each line, so that commands can be piped into one another.
    """
    ctx.obj = state_of(ctx)
