"""Options that several commands share, and the types of what people type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click
from attrs import frozen

from impact_jobs.cli import times as dates

if TYPE_CHECKING:
    from impact_jobs import Job, JobsClient

F = TypeVar("F", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

_MICROSECOND = timedelta(microseconds=1)


class When(click.ParamType[datetime]):
    """A moment, as `dates.when` reads it."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        """The moment, in UTC."""
        try:
            return self.read(value, datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def read(self, text: str, now: datetime) -> datetime:
        """What `text` means."""
        return dates.when(text, now=now)


class Until(When):
    """A moment that ends a stretch of time: a day is meant with all its hours."""

    def read(self, text: str, now: datetime) -> datetime:
        """What `text` means."""
        moment = dates.when(text, now=now)
        is_day = ":" not in text and moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return moment + timedelta(days=1) - _MICROSECOND if is_day else moment


class Duration(click.ParamType["float | None"]):
    """Seconds, as `dates.seconds` reads them; None for "forever"."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:  # noqa: ANN401
        """The seconds."""
        if value.strip().lower() == "forever":
            return None
        try:
            return dates.seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


timeout: Decorator = click.option(
    "--timeout",
    type=Duration(),
    metavar="DURATION",
    default="1h",
    show_default=True,
    help="How long to wait for the jobs: 90 (seconds), 30m, 1h30m, 2d or forever; 0 asks once.",
)
connections: Decorator = click.option(
    "--connections",
    type=click.IntRange(1, 64),
    metavar="N",
    help="How many connections to use for a file at once, 1 to 64; left out, as many as it pays to use.",
)
through_api: Decorator = click.option(
    "--stream",
    "mode",
    flag_value="stream",
    default="redirect",
    help="Have the API pass the bytes on, for networks that do not reach its storage.",
)


@frozen(kw_only=True)
class Selection:
    """Which of the account's jobs are meant.

    Attributes:
        since: Created then or later; None for any.
        until: Created then or earlier; None for any.
        types: Of one of these types; none of them for any.
        statuses: In one of these states; none of them for any.
    """

    since: datetime | None = None
    until: datetime | None = None
    types: Sequence[str] = ()
    statuses: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.since or self.until or self.types or self.statuses)

    def of(self, client: JobsClient, *, limit: int | None = None) -> list[Job]:
        """The jobs, the newest first."""
        wanted = filter(self._has, client.list(created_after=self.since, created_before=self.until))
        return list(islice(sorted(wanted, key=_created, reverse=True), limit))

    def _has(self, job: Job) -> bool:
        return _is_among(job.type, self.types) and _is_among(job.status, self.statuses)


def _is_among(value: str | None, wanted: Sequence[str]) -> bool:
    return not wanted or str(value or "").lower() in {name.lower() for name in wanted}


def _created(job: Job) -> datetime:
    return job.created_date or datetime.min.replace(tzinfo=UTC)


def _names(enum: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        import impact_jobs  # noqa: PLC0415 - for the shell's completion only

        return [str(each) for each in getattr(impact_jobs, enum) if str(each).lower().startswith(incomplete.lower())]

    return complete


_SELECTING: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--since",
        type=When(),
        metavar="WHEN",
        help="Created since then: 2d or 36h (so long ago), yesterday, monday, 2026-05-01, '2026-05-01 10:00' (UTC).",
    ),
    click.option("--until", type=Until(), metavar="WHEN", help="Created until then; a day with all its hours (UTC)."),
    click.option(
        "--type",
        "types",
        multiple=True,
        metavar="TYPE",
        shell_complete=_names("JobType"),
        help="Of this type, such as ApiReport; give it several times for several.",
    ),
    click.option(
        "--status",
        "statuses",
        multiple=True,
        metavar="STATUS",
        shell_complete=_names("JobStatus"),
        help="In this state, such as COMPLETED; give it several times for several.",
    ),
)


def selecting(function: F) -> F:
    """Add the options that make a `Selection`: since, until, types, statuses."""
    for option in reversed(_SELECTING):
        function = option(function)
    return function


def check_either(jobs: Sequence[str], selection: Selection) -> None:
    """Refuse jobs and a selection at once.

    Raises:
        UsageError: There are both.
    """
    if jobs and selection:
        raise click.UsageError("give jobs, or --since, --until, --type and --status, but not both.")
