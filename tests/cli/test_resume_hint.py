"""The command that is given after Ctrl-C."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import click
import pytest
from impact_jobs.cli.app import cli
from impact_jobs.cli.resume_hint import advice_of, go_on_with
from impact_jobs.cli.state import Session

ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"


def advice(*arguments: str, jobs: list[str]) -> str:
    """What would be told, had the command come so far."""
    root = click.Context(cli, info_name="impact-jobs", obj=Session(profile="night shift", json=True))
    command = cli.get_command(root, arguments[0])
    assert command is not None
    with command.make_context(arguments[0], list(arguments[1:]), parent=root) as context, context.scope():
        go_on_with(jobs)
        told = advice_of(context)
    assert told is not None
    return told.removeprefix("to go on: ")


def test_the_command_is_what_was_typed_with_the_profile_and_the_form() -> None:
    told = advice("download", ID, "my file.csv", "--stream", "--wait", "--timeout", "1h30m", jobs=[ID])
    assert told == (
        f"impact-jobs --profile 'night shift' --json download {ID} 'my file.csv' --wait --timeout 5400 --stream"
    )


def test_what_was_not_typed_is_not_in_it() -> None:
    assert advice("wait", ID, jobs=[ID]) == f"impact-jobs --profile 'night shift' --json wait {ID}"


def test_moments_are_absolute_so_that_later_means_the_same_jobs() -> None:
    words = shlex.split(advice("fetch", "--since", "2d", "--type", "A", "--type", "B", "--into", "reports", jobs=[]))
    since = datetime.fromisoformat(words[words.index("--since") + 1])
    assert abs(datetime.now(UTC) - timedelta(days=2) - since) < timedelta(minutes=5)
    assert words[-4:] == ["--type", "A", "--type", "B"]


@pytest.mark.parametrize("count", [20, 21])
def test_many_ids_are_not_spelled_out(count: int) -> None:
    told = advice("wait", "-", jobs=[ID] * count)
    assert told.startswith(f"(the same {count} ids) | impact-jobs ") == (count > 20)
    assert told.endswith(" wait -") == (count > 20)
