"""Dates as the server writes them and as people type them."""

from datetime import UTC, date, datetime, timedelta

from attrs import frozen

from impact_jobs._redaction import shorten
from impact_jobs.errors import ConfigurationError

_LONGEST = 64  # no date is longer, and the parser's time grows with the text
_DAY = timedelta(days=1)
# dateutil fills what a text leaves out from a default: two of them show what that was. Their days are more than a
# week apart, for a weekday moves them.
_DEFAULTS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2001, 2, 15, 11, 11, 11, tzinfo=UTC))


def read_datetime(text: str) -> datetime:
    """`text` as an aware datetime; one without offset is taken as UTC, one without time as midnight.

    `fromisoformat` first, for it is some twenty times as fast as dateutil, which reads the rest.

    Raises:
        ValueError: It is no date, or one that leaves out day, month or year.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment, _ = _read_leniently(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read_leniently(text: str) -> tuple[datetime, bool]:
    """The moment, and whether the text gave a time of day."""
    from dateutil import parser  # noqa: PLC0415 - rarely needed, slow to import

    if len(text) > _LONGEST:
        raise ValueError("too long for a date")
    try:
        first, second = (parser.parse(text, default=default, tzinfos=_offset) for default in _DEFAULTS)
    except ArithmeticError:  # OverflowError, and decimal's InvalidOperation
        raise ValueError("out of range") from None
    if first.date() != second.date():
        raise ValueError("day, month or year is missing")
    return first, first.hour == second.hour


def _offset(name: str | None, seconds: int | None) -> int | None:
    if seconds is None and name is not None:  # "EST" and its like: which one is anybody's guess
        raise ValueError(f"time zone {name} is not known; give an offset such as -05:00")
    if abs(seconds or 0) >= _DAY.total_seconds():  # dateutil lets it pass, and every comparison then fails
        raise ValueError("the offset is a day or more")
    return seconds


@frozen
class Window:
    """The jobs asked for: what the server is told, and what is still to be sifted here.

    The server knows whole days only, of a time zone it does not state. A datetime is therefore asked for
    one day wider and sifted exactly; a plain date is passed on as it is.
    """

    after: date | None = None
    before: date | None = None
    exactly_after: datetime | None = None
    exactly_before: datetime | None = None

    @classmethod
    def create(cls, created_after: date | str | None, created_before: date | str | None) -> "Window":
        """The window between two user-given bounds, both inclusive.

        Raises:
            ConfigurationError: A bound is no date, or they are the wrong way round.
        """
        after = _read_bound("created_after", created_after)
        before = _read_bound("created_before", created_before)
        if after is not None and before is not None and _is_later(after, before):
            raise ConfigurationError(f"created_after ({after}) lies after created_before ({before}); swap them.")
        return cls(
            after=_widened(after, -_DAY),
            before=_widened(before, _DAY),
            exactly_after=after if isinstance(after, datetime) else None,
            exactly_before=before if isinstance(before, datetime) else None,
        )

    def holds(self, created: datetime | None) -> bool:
        """Whether a job created then belongs in; one of unknown age does."""
        return created is None or (
            (self.exactly_after is None or created >= self.exactly_after)
            and (self.exactly_before is None or created <= self.exactly_before)
        )


def _widened(bound: date | None, by: timedelta) -> date | None:
    if not isinstance(bound, datetime):
        return bound
    try:
        return bound.astimezone(UTC).date() + by
    except OverflowError:  # datetime.min and .max stand for "ever"
        return bound.date()


def _is_later(after: date, before: date) -> bool:
    if isinstance(after, datetime) and isinstance(before, datetime):
        return after > before
    # A plain date is a day of an unknown time zone: what may overlap is let pass.
    first, last = _widened(after, -_DAY), _widened(before, _DAY)
    return first is not None and last is not None and first > last


def _read_bound(name: str, value: date | str | None) -> date | None:
    if isinstance(value, str):
        try:
            value = _read_typed(value.strip())
        except ValueError as error:
            raise ConfigurationError(
                f"{name}={shorten(str(value))!r} is not a date ({shorten(str(error))}): "
                "give one such as '2026-05-29', a date or a datetime."
            ) from None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if value is None or isinstance(value, date):
        return value
    raise ConfigurationError(f"{name} is a {type(value).__name__}: give a date, a datetime or a text.")


def _read_typed(text: str) -> date:
    """A date where the text names a day, a datetime where it names a moment."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            moment, has_time = _read_leniently(text)
            return moment if has_time else moment.date()
