"""After Ctrl-C: the command that goes on where this one stopped."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

import click
from click.core import ParameterSource

from impact_jobs.cli.output import visible
from impact_jobs.cli.state import session_of

_KEY = "impact_jobs.go_on"
_FEW = 20


def go_on_by(advice: str) -> None:
    """From now on, an interruption of this command gives `advice`."""
    click.get_current_context().meta[_KEY] = advice


def go_on_with(jobs: Sequence[str]) -> None:
    """From now on, an interruption of this command gives the command line that goes on.

    Args:
        jobs: The jobs, in place of those that the arguments, or stdin, named.
    """
    context = click.get_current_context()
    is_long = len(jobs) > _FEW
    given = [] if not jobs else ["-"] if is_long else jobs
    words = ["impact-jobs", *_shared(context), context.info_name or "", *given]
    words += [word for each in context.command.params for word in _words(context, each)]
    line = visible(shlex.join(words))
    go_on_by(f"to go on: (the same {len(jobs)} ids) | {line}" if is_long else f"to go on: {line}")


def advice_of(context: click.Context) -> str | None:
    """What an interruption is to tell."""
    advice: str | None = context.meta.get(_KEY)
    return advice


def _shared(context: click.Context) -> Iterator[str]:
    session = session_of(context)
    if session.profile:
        yield from ("--profile", session.profile)
    for flag, is_given in (("--json", session.json), ("--quiet", session.quiet)):
        if is_given:
            yield flag


def _words(context: click.Context, parameter: click.Parameter) -> Iterator[str]:
    """How a parameter was typed, moments being made absolute."""
    name = parameter.name or ""
    if name not in context.params or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return
    value = context.params[name]
    if isinstance(parameter, click.Argument):
        if name not in {"job", "jobs"}:
            yield str(value)
        return
    option = parameter.opts[-1]
    if isinstance(parameter, click.Option) and parameter.is_flag:
        yield option
        return
    for each in value if isinstance(value, tuple) else (value,):
        yield from (option, _typed(each))


def _typed(value: object) -> str:
    if value is None:
        return "forever"
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:g}" if isinstance(value, float) else str(value)
