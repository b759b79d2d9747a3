"""The command itself: its subcommands, loaded when they are run, and the one place where failures become exit codes."""

from __future__ import annotations

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
from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli.state import session_of, shared_options, write_examples

_HERE: Final = "impact_jobs.cli.commands."
# By name: where the command is, and its one-line summary, so that `--help` need not load it. A test holds them equal.
_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "list": ("jobs:list_jobs", "Show the account's jobs, the newest first."),
    "get": ("jobs:get", "Show jobs as they are now."),
    "wait": ("jobs:wait", "Wait until jobs are completed."),
    "watch": ("watch:watch", "Show jobs live until all have ended."),
    "download": ("download:download", "Bring the result of a job to disk, or to stdout."),
    "fetch": ("fetch:fetch", "Wait for many jobs and bring their results into a folder."),
    "replay": ("jobs:replay", "Run jobs once more, for fresh data."),
    "profile": ("profile:profile", "Keep credentials by name."),
    "doctor": ("doctor:doctor", "Find out why it does not work, and what to do."),
    "sandbox": ("local:sandbox", "Run a stand-in for the API on this machine."),
    "completion": ("local:completion", "Print the shell's completion script."),
}


class App(click.Group):
    """A group that loads a command when it is wanted, and tells failures in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """All names, in the order in which they are met."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """The command of that name, loaded now; None when there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(_HERE + module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the summaries without loading the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            told = {code: ": ".join(filter(None, meaning)) for code, meaning in exits.MEANINGS.items()}
            formatter.write_dl([(str(code), text) for code, text in told.items()])
        write_examples(formatter, self.examples)

    examples: tuple[str, ...] = (
        "impact-jobs list --since 2d --status COMPLETED",
        "impact-jobs replay 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 | impact-jobs wait - | impact-jobs download -",
    )

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run a subcommand; whatever it raises becomes a line on stderr and an exit code."""
        with _signals_as_interrupts():
            code = 0
            try:
                try:
                    super().invoke(ctx)
                except click.exceptions.Exit as done:
                    code = done.exit_code
                sys.stdout.flush()
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where all of them end
                code = _end(ctx, error)
        ctx.exit(code)


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise exits.TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt), signal.SIGINT: signal.getsignal(signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(ctx: click.Context, error: BaseException) -> int:
    """Tell of `error`; its exit code."""
    from impact_jobs.cli import output  # noqa: PLC0415 - on the way out only

    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever presses it again does not want to read
    code = exits.code_of_any(error)
    with suppress(OSError):  # stderr is gone, too
        _tell(ctx, error, code=code)
    output.flush_or_forget()
    return code


def _tell(ctx: click.Context, error: BaseException, *, code: int) -> None:
    from impact_jobs.cli import output  # noqa: PLC0415 - on the way out only
    from impact_jobs.cli.resume_hint import advice_of  # noqa: PLC0415 - the same

    session = session_of(ctx)
    if code in {exits.INTERRUPTED, exits.TERMINATED}:
        what = "interrupted" if code == exits.INTERRUPTED else "ended by SIGTERM"
        over = "\r\x1b[K" if output.is_live(session.err) else ""  # the terminal's own ^C
        # Not by rich, which would repeat what it was about to write when the signal came.
        output.write_line(session.err, f"{over}impact-jobs: {'; '.join(filter(None, (what, advice_of(ctx))))}")
    elif isinstance(error, click.ClickException) and not session.json:
        error.show()
    elif code != exits.READER_GONE:
        if code == exits.BUG and session.verbose > 1:
            traceback.print_exception(error)
        output.write_error(session.err, error, code=code, as_json=session.json)


@click.group(
    cls=App,
    params=shared_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="impact-jobs", help="Show the version and exit.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Wait for, download and replay impact.com's asynchronous jobs.

    Credentials come from IMPACT_ACCOUNT_SID and IMPACT_AUTH_TOKEN, or from a profile. Data goes to stdout, everything
    else to stderr. Where a command takes jobs, each is an id or the path or URL of a job, and "-" reads them from
    stdin, the first word of each line or JSON lines, so that commands can be piped into one another.
    """
    ctx.obj = session_of(ctx)
