"""The command that is printed after Ctrl-C."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import click
import pytest
from impact_jobs.cli.app import cli
from impact_jobs.cli.resume_hint import hint_of, hint_resume
from impact_jobs.cli.state import CliState

ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"


STATE = CliState(profile="night shift", json=True)


def hint(*arguments: str, jobs: list[str], state: CliState = STATE) -> str:
    """Return what would be printed if the command were interrupted."""
    root = click.Context(cli, info_name="impact-jobs", obj=state)
    command = cli.get_command(root, arguments[0])
    assert command is not None
    with command.make_context(arguments[0], list(arguments[1:]), parent=root) as context, context.scope():
        hint_resume(jobs)
        text = hint_of(context)
    assert text is not None
    return text.removeprefix("to continue: ")


def test_the_hint_repeats_the_arguments_the_profile_and_the_output_format() -> None:
    text = hint("download", ID, "my file.csv", "--stream", "--wait", "--timeout", "1h30m", jobs=[ID])
    assert text == (
        f"impact-jobs --profile 'night shift' --json download {ID} 'my file.csv' --wait --timeout 5400 --stream"
    )


def test_the_hint_has_no_defaults() -> None:
    assert hint("wait", ID, jobs=[ID]) == f"impact-jobs --profile 'night shift' --json wait {ID}"


def test_moments_are_absolute_so_that_they_select_the_same_jobs_later() -> None:
    words = shlex.split(hint("fetch", "--since", "2d", "--type", "A", "--type", "B", "--into", "reports", jobs=[]))
    since = datetime.fromisoformat(words[words.index("--since") + 1])
    assert abs(datetime.now(UTC) - timedelta(days=2) - since) < timedelta(minutes=5)
    assert words[-4:] == ["--type", "A", "--type", "B"]


@pytest.mark.parametrize("count", [20, 21])
def test_many_ids_are_only_counted(count: int) -> None:
    text = hint("wait", "-", jobs=[ID] * count)
    assert text.startswith(f"(the same {count} ids) | impact-jobs ") == (count > 20)
    assert text.endswith(" wait -") == (count > 20)


def test_an_export_is_repeated_with_its_filters_and_the_same_days() -> None:
    typed = ["agency_action_listing", "--from", "2026-05-01", "--filter", "New Customer=yes", "--split", "14d"]
    text = hint(
        "export", *typed, "--max-age", "6h", jobs=[], state=CliState(account_kind="agency", advertiser="2747168")
    )
    shared = ["--account-kind", "agency", "--advertiser", "2747168"]
    assert shlex.split(text) == ["impact-jobs", *shared, "export", *typed, "--max-age", "21600s"]
