"""Options that several commands share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click
from attrs import fields, frozen

from impact_jobs.cli.times import parse_moment, parse_timeout

if TYPE_CHECKING:
    from impact_jobs import Job, JobsClient

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
Mode: TypeAlias = Literal["redirect", "stream"]


def _since(text: str) -> datetime:
    return parse_moment(text, now=datetime.now(UTC))


def _until(text: str) -> datetime:
    return parse_moment(text, now=datetime.now(UTC), ends_day=True)


def timeout_of(default: str) -> Decorator:
    """Return the option --timeout with this default."""
    return click.option(
        "--timeout",
        type=parse_timeout,
        metavar="DURATION",
        default=default,
        show_default=True,
        help="How long to wait for the jobs: 90 (seconds), 30m, 1h30m, 2d or forever; 0 polls once.",
    )


timeout: Decorator = timeout_of("1h")
connections: Decorator = click.option(
    "--connections",
    type=click.IntRange(1, 64),
    metavar="N",
    help="How many connections to use at once for a file, 1 to 64; by default, several if one is slow.",
)
mode: Decorator = click.option(
    "--stream",
    "mode",
    flag_value="stream",
    default="redirect",
    help="Download through the API, for networks that cannot reach its storage.",
)


@frozen(kw_only=True)
class Selection:
    """Which of the account's jobs to use: those created between two moments, of these types and statuses."""

    since: datetime | None = None
    until: datetime | None = None
    types: Sequence[str] = ()
    statuses: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.since or self.until or self.types or self.statuses)

    def find(self, client: JobsClient) -> Iterator[Job]:
        """Yield the jobs as they arrive."""
        for job in client.list(created_after=self.since, created_before=self.until):
            if _is_among(job.type, self.types) and _is_among(job.status, self.statuses):
                yield job


def newest_first(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs by their creation dates."""
    return sorted(jobs, key=_created, reverse=True)


def _is_among(value: str | None, accepted: Sequence[str]) -> bool:
    return not accepted or str(value or "").lower() in {name.lower() for name in accepted}


def _created(job: Job) -> datetime:
    return job.created_date or datetime.min.replace(tzinfo=UTC)


def _values_of(enum: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        import impact_jobs  # noqa: PLC0415 - for the shell's completion only

        return [str(each) for each in getattr(impact_jobs, enum) if str(each).lower().startswith(incomplete.lower())]

    return complete


_SELECTING: tuple[Decorator, ...] = (
    click.option(
        "--since",
        type=_since,
        metavar="WHEN",
        help="Created at or after WHEN: 2d (2 days ago), 36h, yesterday, monday, 2026-05-01, '2026-05-01 10:00' (UTC).",
    ),
    click.option(
        "--until",
        type=_until,
        metavar="WHEN",
        help="Created at or before WHEN; a day is included to its end (UTC).",
    ),
    click.option(
        "--type",
        "types",
        multiple=True,
        metavar="TYPE",
        shell_complete=_values_of("JobType"),
        help="Of this type, such as ApiReport; may be repeated.",
    ),
    click.option(
        "--status",
        "statuses",
        multiple=True,
        metavar="STATUS",
        shell_complete=_values_of("JobStatus"),
        help="In this status, such as COMPLETED; may be repeated.",
    ),
)


def selecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select jobs, and pass them to the function as `selection`."""

    def with_selection(*args: object, **options: Any) -> object:  # noqa: ANN401 - as click passes them
        chosen = {attribute.name: options.pop(attribute.name) for attribute in fields(Selection)}
        return function(*args, selection=Selection(**chosen), **options)

    decorated: Callable[..., Any] = update_wrapper(with_selection, function)
    for option in reversed(_SELECTING):
        decorated = option(decorated)
    return decorated


def check_either(jobs: Sequence[str], selection: Selection) -> None:
    """Reject jobs together with a selection."""
    if jobs and selection:
        raise click.UsageError("pass jobs, or --since, --until, --type and --status, but not both.")
