"""`sandbox`: run a local stand-in for the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click

from impact_jobs.cli import exit_codes
from impact_jobs.cli.command import Command
from impact_jobs.cli.output import write_json
from impact_jobs.cli.state import CliState
from impact_jobs.sandbox.__main__ import OPTIONS, run, write_exports


def _sandbox_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of ``python -m impact_jobs.sandbox``."""
    for option in reversed(OPTIONS):
        is_flag = option.default is False
        function = click.option(
            option.flag,
            option.name,
            type=None if is_flag else click.Choice(option.choices) if option.choices else option.type,
            is_flag=is_flag,
            metavar=None if is_flag or option.choices else option.flag.rpartition("-")[2].upper(),
            default=option.default,
            show_default=not is_flag and option.default is not None,
            help=f"{option.help[0].upper()}{option.help[1:]}.",
        )(function)
    return function


@click.command(cls=Command, examples=("impact-jobs sandbox", "impact-jobs sandbox --account brand --job-seconds 30"))
@_sandbox_options
@click.pass_obj
def sandbox(state: CliState, /, **options: object) -> int:
    """Run a local stand-in for the API.

    It needs no account. In a clone, install it with: pip install ".[sandbox]". Writes the environment variables
    that point impact-jobs and the client at the sandbox, and runs until Ctrl-C.
    """
    announce: Callable[[Mapping[str, str]], None] = partial(write_json, state.out) if state.json else write_exports
    options["account"] = state.account_kind or options["account"]
    return exit_codes.USAGE if run(options, announce=announce) else exit_codes.OK
