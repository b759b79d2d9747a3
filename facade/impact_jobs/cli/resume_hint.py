"""The command that continues an interrupted one, printed after Ctrl-C."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import click
from click.core import ParameterSource

from impact_jobs.cli.output import printable
from impact_jobs.cli.state import state_of
from impact_jobs.models import Secret

_KEY = "impact_jobs.resume_hint"
_MAX_IDS = 20


def set_hint(hint: str) -> None:
    """Print `hint` if this command is interrupted from now on."""
    click.get_current_context().meta[_KEY] = hint


def hint_resume(jobs: Sequence[str]) -> None:
    """Print the command that continues this one with `jobs` if it is interrupted from now on."""
    context = click.get_current_context()
    is_long = len(jobs) > _MAX_IDS
    names = [] if not jobs else ["-"] if is_long else jobs
    words = ["impact-jobs", *_shared_options(context), context.info_name or "", *names]
    words += [word for parameter in context.command.params for word in _words(context, parameter)]
    line = printable(shlex.join(words))
    set_hint(f"to continue: (the same {len(jobs)} ids) | {line}" if is_long else f"to continue: {line}")


def hint_of(context: click.Context) -> str | None:
    """Return what to print if the command is interrupted now."""
    hint: str | None = context.meta.get(_KEY)
    return hint


def _shared_options(context: click.Context) -> Iterator[str]:
    state = state_of(context)
    for name in ("profile", "account_kind", "advertiser"):
        if value := getattr(state, name):
            yield from (f"--{name.replace('_', '-')}", value)
    for flag, is_given in (("--json", state.json), ("--quiet", state.quiet)):
        if is_given:
            yield flag


def _words(context: click.Context, parameter: click.Parameter) -> Iterator[str]:
    """Yield a parameter as it was typed, but with absolute moments."""
    name = parameter.name or ""
    if name not in context.params or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return
    value = context.params[name]
    if isinstance(value, Secret):  # which would be of no use as it is shown
        return
    if isinstance(parameter, click.Argument):
        if name not in {"job", "jobs"}:
            yield str(value)
        return
    option = parameter.opts[-1]
    if isinstance(parameter, click.Option) and parameter.is_flag:
        yield option
        return
    for each in value if isinstance(value, tuple) else (value,):
        yield from (option, _to_text(each))


def _to_text(value: object) -> str:
    if value is None:
        return "forever"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s" if value % timedelta(days=1) else f"{value.days}d"
    return f"{value:g}" if isinstance(value, float) else str(value)
