"""What the headers of an answer say of the account's request limit: pure reading, in every form that was seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from attrs import frozen

from impact_jobs._transport.base import Head

HOUR = 3600.0

_TOO_MANY_REQUESTS = 429
_EPOCH_SECONDS = 1_000_000_000  # a larger "seconds until" is a moment, not a duration
_MOST_REQUESTS = 1e9  # no account has that many an hour

# The vendor's pages differ; the last of each are those of the IETF's drafts. The hour's own come first, for a gateway
# may state the limits of shorter windows beside.
_LIMIT = ("x-ratelimit-limit-hour", "x-ratelimit-limit", "ratelimit-limit")
_REMAINING = ("x-ratelimit-remaining-hour", "x-ratelimit-remaining", "ratelimit-remaining")
_RESET = ("x-ratelimit-reset-hour", "x-ratelimit-reset", "ratelimit-reset")


@frozen(kw_only=True)
class Limits:
    """What one answer says; None where it is silent, or talks nonsense.

    Attributes:
        limit: Requests a window; at least 1.
        remaining: How many of them are left.
        reset: Seconds until there are `limit` again, at most an hour.
        retry_after: Seconds until the server wants to be asked again.

    Source: the vendor's pages on rate limits, which name different headers, and call the reset "seconds until" on one
    page and show an epoch on another.
    """

    limit: float | None
    remaining: float | None
    reset: float | None
    retry_after: float | None

    @classmethod
    def of(cls, head: Head) -> Limits:
        """What the headers say."""
        headers = head.headers
        remaining = _count(headers, _REMAINING)
        limit = _count(headers, _LIMIT)
        return cls(
            # One that is below what is left is none.
            limit=None if not limit else max(limit, remaining or 0.0),
            remaining=remaining,
            reset=_reset(head),
            retry_after=retry_after_seconds(head) if head.status_code == _TOO_MANY_REQUESTS else None,
        )


def retry_after_seconds(head: Head) -> float | None:
    """Seconds until the server wants to be asked again, never negative; None when it does not say so readably.

    `Retry-After` may be seconds or an HTTP date; some pages of the vendor show an epoch. A 429 without it is read by
    the reset of the window that it exhausted.
    """
    seconds = _seconds_until(head.headers.get("retry-after", ""), head)
    if seconds is None and head.status_code == _TOO_MANY_REQUESTS and not _count(head.headers, _REMAINING):
        return _reset(head)
    return None if seconds is None else max(seconds, 0.0)


def server_time(head: Head) -> datetime:
    """The server's own clock when it answered, or ours where it does not say: that one may be wrong."""
    try:
        moment = parsedate_to_datetime(head.headers["date"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return head.received_at
    return moment if moment.tzinfo else head.received_at


def _count(headers: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        if name in headers:
            try:
                # The first of "1000, 1000", as a field that came twice looks, or of "1000, 1000;w=3600".
                value = float(headers[name].partition(",")[0].partition(";")[0])
            except ValueError:
                continue
            if 0 <= value <= _MOST_REQUESTS:
                return value // 1
    return None


def _reset(head: Head) -> float | None:
    for name in _RESET:
        if name in head.headers:
            text = head.headers[name]
            first, _, rest = text.partition(",")
            seconds = _seconds_until(first if rest.strip() == first.strip() else text, head)
            if seconds is not None and seconds >= 0:
                return min(seconds, HOUR)
    return None


def _seconds_until(text: str, head: Head) -> float | None:
    """Seconds from the answer to a moment that is told in seconds, as an epoch or as an HTTP date; finite."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
            # asctime's format, which HTTP allows too, names no zone
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - server_time(head)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if seconds > _EPOCH_SECONDS:
        seconds -= server_time(head).timestamp()
    return seconds if abs(seconds) < _EPOCH_SECONDS else None
