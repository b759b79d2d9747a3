"""The class of every command: the options that all of them share, and examples in the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click
from attrs import evolve

from impact_jobs.cli.state import logging_to, state_of

_SYNONYMS: Final = (
    {"--from", "--since", "--start", "--start-date", "--after", "--created-after"},
    {"--to", "--until", "--end", "--end-date", "--before", "--created-before"},
)


def shared_options() -> list[click.Parameter]:
    """Return the options of every command, which may also stand before its name."""
    return [
        _shared("--profile", metavar="NAME", help="Use the credentials of this profile (see impact-jobs profile)."),
        _shared(
            "--account-kind",
            type=click.Choice(["agency", "brand", "partner"]),
            metavar="KIND",
            help="The kind of the account: agency, brand or partner.",
        ),
        _shared("--advertiser", metavar="ID", help="Act for this brand of an agency: its numeric account id."),
        _shared("--json", is_flag=True, help="Write JSON to stdout, one object per line."),
        _shared("-q", "--quiet", is_flag=True, help="Write only ids or paths, and no progress."),
        _shared("-v", "--verbose", count=True, help="Write the log to stderr; -vv writes more."),
    ]


def _shared(*names: str, **settings: Any) -> click.Option:  # noqa: ANN401 - click's own
    attribute = names[-1].removeprefix("--").replace("-", "_")

    def change_state(context: click.Context, _parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401 - as click says
        if value:  # so that an option before the command's name is kept unless it is repeated after it
            context.obj = context.find_root().obj = evolve(state_of(context), **{attribute: value})

    return click.Option(names, expose_value=False, callback=change_state, **settings)


class Command(click.Command):
    """A command with the shared options; a test runs each of its examples."""

    def __init__(self, *args: Any, examples: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **options)
        self.examples = examples
        self.params.extend(shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; suggest what this command calls an option that other commands have."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name, own = error.option_name, {option for parameter in self.params for option in parameter.opts}
            for meant in (names & own for names in _SYNONYMS if name in names):
                text = f"No such option {name!r}. Did you mean {' or '.join(meant)}?"
                raise click.NoSuchOption(name, text if meant else error.message, ctx=ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run the function, with the log on stderr, and exit with the code it returns; None means 0."""
        with logging_to(state_of(ctx)):
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
