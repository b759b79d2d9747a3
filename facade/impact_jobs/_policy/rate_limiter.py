"""The hourly request limit: polls slow down before it is spent, so that other requests are not refused."""

from __future__ import annotations

import logging
from collections import Counter
from threading import Lock

from attrs import define, field, frozen

from impact_jobs._policy.per_account import PerAccount
from impact_jobs._policy.rate_limit_headers import HOUR, RateLimitHeaders
from impact_jobs._transport.base import Head

logger: logging.Logger = logging.getLogger("impact_jobs")

_DOCUMENTED_LIMIT = 1000.0
_PLENTY = 0.5  # of the limit; polls are not slowed down while more than that is left
_RESERVE = 0.1  # of the limit; kept from polls, for downloads, replays and other requests of the user
_MINUTE = 60.0
_ROUNDING = 1.0  # second; the server states its reset in whole ones


@frozen
class Reservation:
    """Permission to poll once."""

    delay: float  # seconds until then, at most 3600
    spacing: float  # seconds by which it delays the next reservation
    requests: int = 1  # that the poll takes


@define(eq=False)
class RateLimiter:
    """The account's remaining requests, and how fast polls may follow each other. Thread-safe, without I/O.

    The server's headers count. Without them, our own requests of the last hour are counted against the documented
    limit of 1,000. Every `now` is in seconds on the transport's clock.
    """

    _limit: float = _DOCUMENTED_LIMIT
    _remaining: float | None = None  # as the server stated, less what was sent since; None if it stated nothing
    _resets_at: float = 0.0  # until when `_remaining` holds
    _blocked_until: float = 0.0  # by a 429
    _next_poll_at: float = 0.0
    _reserved: int = 0  # requests of reservations whose polls have not been sent
    _logged_until: float = -HOUR
    _sent: Counter[float] = field(factory=Counter)  # requests, by the minute when they no longer count
    _lock: Lock = field(factory=Lock)

    def on_request(self, now: float) -> None:
        """Count a request to the API that is about to be sent."""
        with self._lock:
            self._expire(now)
            self._sent[(now // _MINUTE + 1.0) * _MINUTE + HOUR] += 1
            if self._remaining is not None:
                self._remaining -= 1

    def on_response(self, head: Head, now: float) -> None:
        """Update the limits from a response of the API, of any status."""
        headers = RateLimitHeaders.from_head(head)
        with self._lock:
            self._expire(now)
            self._limit = headers.limit or self._limit
            if headers.remaining is not None:
                self._update_remaining(headers.remaining, headers.reset, now)
            # A longer pause is for another limit, such as exports per day. With requests left, it is a burst limit.
            longest = _MINUTE if headers.remaining else HOUR
            if headers.retry_after is not None and headers.retry_after <= longest:
                self._blocked_until = max(self._blocked_until, now + headers.retry_after)

    def pace(self, now: float) -> float:
        """Return the shortest pause, in seconds up to 3600, of a client that polls alone; 0 with plenty left."""
        with self._lock:
            return min(max(self._delay_and_spacing(now)), HOUR)

    def reserve(self, now: float, requests: int = 1) -> Reservation:
        """Reserve the next free time for a poll of one or several requests, such as the pages of a list.

        Reservations are spaced so that the remaining requests last until the reset. Pass each one to `commit` when
        its poll is about to be sent, or to `release` if it will not be.
        """
        with self._lock:
            delay, spacing = self._delay_and_spacing(now, requests)
            spacing = min(spacing * requests, HOUR)
            is_paced = bool(delay or spacing)
            poll_at = min(max(now + delay, self._next_poll_at), now + HOUR) if is_paced else now
            self._next_poll_at = poll_at + spacing
            self._reserved += requests
            is_new = is_paced and now >= self._logged_until
            if is_new:
                self._logged_until = now + HOUR if self._remaining is None else self._resets_at
            left, limit, seconds = self._left(), self._limit, self._logged_until - now
        if is_new:  # outside the lock, because a log handler may do anything
            logger.info("%d of %d requests left for the next %d s: polls slow down", max(left, 0), limit, seconds)
        return Reservation(min(poll_at - now, HOUR), spacing, requests)

    def commit(self, reservation: Reservation) -> None:
        """Use a reservation: its poll is about to be sent."""
        with self._lock:
            self._reserved -= reservation.requests

    def release(self, reservation: Reservation, now: float) -> None:
        """Give a reservation back: its poll will not be sent."""
        with self._lock:
            self._reserved -= reservation.requests
            self._next_poll_at = max(self._next_poll_at - reservation.spacing, now)

    def blocked_for(self, now: float) -> float:
        """Return how many seconds, up to 3600, the server will refuse every request; 0 if it accepts them."""
        with self._lock:
            self._expire(now)
            is_spent = self._remaining is not None and self._remaining < 1
            return min(max(self._blocked_until - now, self._resets_at - now if is_spent else 0.0, 0.0), HOUR)

    def left(self, now: float) -> int:
        """Return how many requests are left until the limit is reset, as far as this process knows."""
        with self._lock:
            self._expire(now)
            return max(int(self._left()), 0)

    def _update_remaining(self, remaining: float, reset: float | None, now: float) -> None:
        if reset is not None:
            self._resets_at = min(now + reset + _ROUNDING, now + HOUR)
        # Without a reset, the hour is assumed to begin when the count is first seen, or when it jumps up.
        elif self._remaining is None or remaining > self._remaining + _RESERVE * self._limit:
            self._resets_at = now + HOUR
        self._remaining = remaining
        self._limit = max(self._limit, remaining)

    def _expire(self, now: float) -> None:
        """Drop counts that no longer apply."""
        if self._remaining is not None and now >= self._resets_at:
            self._remaining = None
            self._sent.clear()
        for minute in [minute for minute in self._sent if now >= minute]:
            del self._sent[minute]

    def _left(self) -> float:
        return self._limit - self._sent.total() if self._remaining is None else self._remaining

    def _delay_and_spacing(self, now: float, requests: int = 1) -> tuple[float, float]:
        """Return the seconds until that many requests may be sent, and the seconds between two requests after that."""
        self._expire(now)
        delay, spacing = max(self._blocked_until - now, 0.0), 0.0
        left = self._left() - self._reserved
        if left <= _PLENTY * self._limit:
            usable = left - _RESERVE * self._limit
            queue = max(self._next_poll_at - now, 0.0)
            for seconds, freed in self._refills(now):
                if usable < requests:
                    delay = max(delay, seconds)
                else:
                    spacing = max(spacing, (seconds - max(delay, queue)) / usable)
                usable += freed
        if delay:  # polls that were held back resume one by one
            spacing = max(spacing, HOUR / self._limit)
        return delay, min(spacing, HOUR)

    def _refills(self, now: float) -> list[tuple[float, float]]:
        """Return in how many seconds how many requests become available again."""
        if self._remaining is not None:
            return [(self._resets_at - now, self._limit)]
        return [(minute - now, count) for minute, count in self._sent.items()]


RATE_LIMITERS: PerAccount[RateLimiter] = PerAccount(RateLimiter)
"""One limiter for all clients of an account, because the server counts their requests together."""
