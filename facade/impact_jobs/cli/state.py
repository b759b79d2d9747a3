"""What every command is handed: how to speak, and a client made of what the environment or a profile says."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, NoReturn

import click
from attrs import evolve, frozen

if TYPE_CHECKING:
    from rich.console import Console

    from impact_jobs import JobsClient

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@frozen(kw_only=True)
class Session:
    """One run of the command.

    Attributes:
        profile: The profile asked for by name, or None.
        json: Whether stdout gets JSON.
        quiet: Whether stdout gets ids or paths only, and stderr errors only.
        verbose: How much of the log goes to stderr: 0 warnings, 1 INFO, 2 DEBUG.
    """

    profile: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0

    @cached_property
    def out(self) -> Console:
        """Stdout."""
        from impact_jobs.cli import output  # noqa: PLC0415 - rich is slow to load, and `--help` does without

        return output.console_for(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Stderr."""
        from impact_jobs.cli import output  # noqa: PLC0415 - the same

        return output.console_for(sys.stderr)

    def client(self) -> JobsClient:
        """A client of the profile's account, or else of the environment's; close it.

        Raises:
            ConfigurationError: There are no credentials, or they cannot be used.
        """
        from impact_jobs import JobsClient  # noqa: PLC0415 - slow to load, and not every command needs it
        from impact_jobs.cli import profiles  # noqa: PLC0415 - the same

        found = profiles.load(self.profile, folder=profiles.config_folder(), environ=os.environ)
        return JobsClient.from_env() if found is None else found.client()

    def note(self, text: str) -> None:
        """Say something on stderr, unless told to be quiet."""
        from impact_jobs.cli import output  # noqa: PLC0415 - the same

        if not self.quiet:
            output.note(self.err, text)


class _ToConsole(logging.Handler):
    """The log, above the bars."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        from impact_jobs.cli import output  # noqa: PLC0415 - the same

        output.note(self._session.err, f"{record.levelname.lower()}: {output.shown(record.getMessage())}")


@contextmanager
def logging_to(session: Session) -> Iterator[None]:
    """Within: the library's log goes to stderr, as much of it as is asked for."""
    logger, handler = logging.getLogger("impact_jobs"), _ToConsole(session)
    before = logger.level, logger.propagate
    logger.setLevel(logging.ERROR if session.quiet else _LEVELS[min(session.verbose, len(_LEVELS) - 1)])
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def session_of(context: click.Context) -> Session:
    """The session that a command runs in."""
    found = context.find_root().obj
    return found if isinstance(found, Session) else Session()


def pass_session(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a command's function the session as its first argument."""

    @click.pass_context
    def with_session(context: click.Context, /, *args: object, **options: object) -> object:
        return context.invoke(function, session_of(context), *args, **options)

    return update_wrapper(with_session, function)


def _changes(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def change(context: click.Context, _parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401 - as click says
        if value:  # what was said before the command's name holds, unless it is said again
            root = context.find_root()
            root.obj = evolve(session_of(context), **{name: value})

    return change


def shared_options() -> list[click.Parameter]:
    """The options of every command, which may stand before its name, too."""
    return [
        click.Option(
            ["--profile"],
            metavar="NAME",
            expose_value=False,
            callback=_changes("profile"),
            help="Use the credentials of this profile (see impact-jobs profile).",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_changes("json"),
            help="Write JSON to stdout, one object a line.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_changes("quiet"),
            help="Write ids or paths only, and no progress.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_changes("verbose"),
            help="Write what is going on to stderr; -vv writes more.",
        ),
    ]


class Command(click.Command):
    """A command with the shared options, and with examples that a test runs.

    Args:
        examples: Command lines as they are typed.
    """

    def __init__(self, *args: Any, examples: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **options)
        self.examples = examples
        self.params.extend(shared_options())

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run it, with the log on stderr, and exit with what its function returns: None is 0."""
        with logging_to(session_of(ctx)):
            code = super().invoke(ctx)
        ctx.exit(code or 0)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write a section of examples, each on a line of its own, however long."""
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")
