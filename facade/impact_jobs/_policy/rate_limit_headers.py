"""What a response's headers state about the account's rate limit, in every form that the API has used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from attrs import frozen

from impact_jobs._transport.base import Head

HOUR = 3600.0

_TOO_MANY_REQUESTS = 429
_EPOCH_SECONDS = 1_000_000_000  # a larger number of "seconds until" is a moment, not a duration
_MAX_REQUESTS = 1e9  # no account has that many an hour

# The vendor's pages differ; the last name of each is that of the IETF's drafts. The hourly ones come first because a
# gateway may also state the limits of shorter windows.
_LIMIT = ("x-ratelimit-limit-hour", "x-ratelimit-limit", "ratelimit-limit")
_REMAINING = ("x-ratelimit-remaining-hour", "x-ratelimit-remaining", "ratelimit-remaining")
_RESET = ("x-ratelimit-reset-hour", "x-ratelimit-reset", "ratelimit-reset")


@frozen(kw_only=True)
class RateLimitHeaders:
    """The rate limit that one response states; a field is None if its header is missing or unreadable."""

    limit: float | None  # requests per window, at least 1
    remaining: float | None
    reset: float | None  # seconds until all requests are available again, at most an hour
    retry_after: float | None  # seconds until the server accepts requests again, after a 429

    @classmethod
    def from_head(cls, head: Head) -> RateLimitHeaders:
        """Parse the headers of a response."""
        limit, remaining = _first(head, _LIMIT, _parse_count), _first(head, _REMAINING, _parse_count)
        return cls(
            limit=max(limit, remaining or 0.0) if limit else None,
            remaining=remaining,
            reset=_first(head, _RESET, _parse_reset),
            retry_after=retry_after_seconds(head) if head.status_code == _TOO_MANY_REQUESTS else None,
        )


def retry_after_seconds(head: Head) -> float | None:
    """Return the seconds until the server accepts requests again, or None if it does not say so readably.

    `Retry-After` may be seconds, an HTTP date or an epoch. Without it, a 429 lasts until the exhausted limit resets.
    """
    seconds = _seconds_until(head.headers.get("retry-after", ""), head)
    if seconds is not None:
        return max(seconds, 0.0)
    is_exhausted = head.status_code == _TOO_MANY_REQUESTS and not _first(head, _REMAINING, _parse_count)
    return _first(head, _RESET, _parse_reset) if is_exhausted else None


def server_time(head: Head) -> datetime:
    """Return the server's clock at the time of the response, or this machine's if the server does not state it."""
    try:
        moment = parsedate_to_datetime(head.headers["date"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return head.received_at
    return moment if moment.tzinfo else head.received_at


def _first(head: Head, names: Sequence[str], parse: Callable[[str, Head], float | None]) -> float | None:
    """Return the first of these headers that can be read."""
    values = (parse(head.headers[name], head) for name in names if name in head.headers)
    return next((value for value in values if value is not None), None)


def _parse_count(text: str, _: Head) -> float | None:
    try:
        # Of a repeated header ("1000, 1000") or one with parameters ("1000;w=3600"), the first number counts.
        count = float(text.partition(",")[0].partition(";")[0])
    except ValueError:
        return None
    return count // 1 if 0 <= count <= _MAX_REQUESTS else None


def _parse_reset(text: str, head: Head) -> float | None:
    first, _, rest = text.partition(",")
    seconds = _seconds_until(first if rest.strip() == first.strip() else text, head)
    return None if seconds is None or seconds < 0 else min(seconds, HOUR)


def _seconds_until(text: str, head: Head) -> float | None:
    """Return the finite number of seconds from the response to a moment given in seconds, as an epoch or as a date."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
            # The asctime format, which HTTP allows as well, names no zone.
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - server_time(head)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if seconds > _EPOCH_SECONDS:
        seconds -= server_time(head).timestamp()
    return seconds if abs(seconds) < _EPOCH_SECONDS else None
