"""Parse the dates of the server and of the user."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from attrs import evolve, frozen

from impact_jobs._account_kinds import AGENCY, AccountKind
from impact_jobs._redaction import shorten
from impact_jobs.errors import ConfigurationError

_MAX_CHARACTERS = 64  # no date is longer, and dateutil's time grows with the text
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
# dateutil takes from a default what a text omits, so a part that differs between two defaults was omitted. Their days
# are more than a week apart, because a weekday in the text moves them.
_DEFAULTS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2001, 2, 15, 11, 11, 11, tzinfo=UTC))


def next_minute(moment: datetime) -> datetime:
    """Return the moment in UTC, rounded up to whole minutes."""
    return -(-(moment.astimezone(UTC) - _EPOCH) // _MINUTE) * _MINUTE + _EPOCH


def read_datetime(text: str) -> datetime:
    """Parse an aware datetime: in UTC if the text has no offset, at midnight if it has no time."""
    try:
        moment = datetime.fromisoformat(text)  # some twenty times as fast as dateutil
    except ValueError:
        moment, _ = _parse_leniently(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_leniently(text: str) -> tuple[datetime, bool]:
    """Return the moment, and whether the text states a time of day."""
    from dateutil import parser  # noqa: PLC0415 - rarely needed, slow to import

    if len(text) > _MAX_CHARACTERS:
        raise ValueError("too long for a date")
    try:
        first, second = (parser.parse(text, default=default, tzinfos=_offset_seconds) for default in _DEFAULTS)
    except ArithmeticError:  # OverflowError, and InvalidOperation of decimal
        raise ValueError("out of range") from None
    if first.date() != second.date():
        raise ValueError("day, month or year is missing")
    return first, first.hour == second.hour


def _offset_seconds(name: str | None, seconds: int | None) -> int | None:
    if seconds is None and name is not None:  # such as "EST", which several countries use
        raise ValueError(f"time zone {name} is ambiguous; use an offset such as -05:00")
    if abs(seconds or 0) >= _DAY.total_seconds():  # dateutil accepts it, but datetimes with it cannot be compared
        raise ValueError("the offset is a day or more")
    return seconds


@frozen
class Window:
    """A range of creation dates: what to request, and what to compare here.

    The server of an agency filters by whole days, both included, in a time zone that it does not document. So for a
    datetime, one more day is requested and the jobs are compared here; a plain date is sent unchanged. The servers of
    brands and partners leave out the bounds themselves. So for them, more is requested for a plain date as well, and
    the jobs are compared by the day that the server wrote into them.
    """

    after: date | None = None
    before: date | None = None
    exactly_after: date | None = None
    exactly_before: date | None = None

    @classmethod
    def create(
        cls, created_after: date | str | None, created_before: date | str | None, kind: AccountKind = AGENCY
    ) -> "Window":
        """Check the user's bounds, both inclusive, and create the window between them for that kind of account."""
        after = parse_bound("created_after", created_after)
        before = parse_bound("created_before", created_before)
        window = cls(
            after=_requested_day(after, -_DAY, kind),
            before=_requested_day(before, _DAY, kind),
            exactly_after=after if isinstance(after, datetime) or kind.bounds_are_exclusive else None,
            exactly_before=before if isinstance(before, datetime) or kind.bounds_are_exclusive else None,
        )
        # A plain date and a datetime may overlap in some time zone, so only their requested days are compared.
        if any(_is_later(*bounds) for bounds in ((window.after, window.before), (after, before))):
            raise ConfigurationError(f"created_after ({after}) is later than created_before ({before}): swap them.")
        if kind.lists_by_moment:
            window = evolve(window, after=_midnight(window.after), before=_midnight(window.before))
        return window

    def holds(self, created: datetime | None) -> bool:
        """Return whether a job of that creation date is in the window. A job without one always is."""
        return created is None or (
            (self.exactly_after is None or _in_unit_of(self.exactly_after, created) >= self.exactly_after)
            and (self.exactly_before is None or _in_unit_of(self.exactly_before, created) <= self.exactly_before)
        )


def _in_unit_of(bound: date, created: datetime) -> date:
    return created if isinstance(bound, datetime) else created.date()


def _is_later(first: date | None, last: date | None) -> bool:
    """Return whether both are days or both are moments, and in the wrong order."""
    are_comparable = isinstance(first, datetime) == isinstance(last, datetime)
    return first is not None and last is not None and are_comparable and first > last


def _requested_day(bound: date | None, margin: timedelta, kind: AccountKind) -> date | None:
    """Return the day to request, so that it includes the bound in every time zone, and although it may be exclusive."""
    if bound is None or not (isinstance(bound, datetime) or kind.bounds_are_exclusive):
        return bound
    try:
        day = bound.astimezone(UTC).date() if isinstance(bound, datetime) else bound
        return day + (2 * margin if kind.bounds_are_exclusive else margin)
    except OverflowError:  # datetime.min and .max mean "no limit"
        return None if kind.bounds_are_exclusive else date(bound.year, bound.month, bound.day)


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


def parse_bound(name: str, value: date | str | None) -> date | None:
    """Parse a date or a datetime, aware and of Python's own class, that a user gave as `name`; pass None through."""
    if getattr(getattr(value, "dtype", None), "kind", "") == "M" and not hasattr(value, "__len__"):
        value = str(value)  # numpy's datetime64, in ISO format
    if isinstance(value, str):
        try:
            value = _parse_date_or_datetime(_printable(value.strip()))
        except ValueError as error:
            raise ConfigurationError(
                f"{name}={shorten(str(value))!r} is not a date ({shorten(str(error))}): "
                "give text such as '2026-05-29', a date or a datetime."
            ) from None
    with suppress(TypeError, ValueError):  # the year of pandas' NaT, which is a datetime, is NaN
        if isinstance(value, datetime):
            return _plain_datetime(value)
        if value is None or isinstance(value, date):
            return value and date(value.year, value.month, value.day)
    raise ConfigurationError(f"{name} is a {type(value).__name__}: give text, a date or a datetime.")


def _plain_datetime(value: datetime) -> datetime:
    """Return an aware datetime of Python's own class, because subclasses such as pandas' have other limits."""
    zone = UTC if value.tzinfo is None else value.tzinfo
    clock = value.hour, value.minute, value.second, value.microsecond
    return datetime(value.year, value.month, value.day, *clock, tzinfo=zone, fold=value.fold)


def _printable(text: str) -> str:
    if not text.isprintable():  # dateutil ends at a NUL
        raise ValueError("it has control characters")
    return text


def _parse_date_or_datetime(text: str) -> date:
    for parse in (date.fromisoformat, datetime.fromisoformat):
        with suppress(ValueError):
            return parse(text)
    moment, has_time = _parse_leniently(text)
    return moment if has_time else moment.date()
