"""The hourly rate_limiter of requests: who polls slows down before it is spent, so that the others are not refused."""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock

from attrs import define, field, frozen

from impact_jobs._account import Account
from impact_jobs._policy.per_account import PerAccount
from impact_jobs._policy.rate_limit_headers import HOUR, Limits
from impact_jobs._transport.base import Head

logger: logging.Logger = logging.getLogger("impact_jobs")

_DOCUMENTED_LIMIT = 1000.0
_PLENTY = 0.5  # of the limit; with more than that left nobody is slowed down
_RESERVE = 0.1  # of the limit; kept from polls, for downloads, replays and whatever else the user asks
_MINUTE = 60.0
# The server tells its reset, and its time, in whole seconds.
_ROUNDING = 1.0


@frozen
class Reservation:
    """Leave to poll.

    Attributes:
        delay: Seconds until then; 0 with plenty left, never above 3600.
        spacing: Seconds by which it puts off the next one.
        requests: How many the poll takes.
    """

    delay: float
    spacing: float
    requests: int = 1


@define(eq=False)
class RateLimiter:
    """What is left of an account's requests, and how fast polls may go on. It does no I/O, and is safe in threads.

    It believes the server's headers. Where there are none it counts our own requests of the last hour against the
    documented 1,000. Every `now` is seconds on the port's clock.

    Example:
        >>> rate_limiter = RateLimiter()
        >>> for _ in range(850):
        ...     rate_limiter.on_request(0.0)
        >>> [round(rate_limiter.reserve(0.0).delay) for _ in range(3)]  # polls are to leave one after the other
        [0, 73, 146]
    """

    _limit: float = _DOCUMENTED_LIMIT
    _left: float | None = None  # as the server said, less what was sent since; None where it has not
    _reset_at: float = 0.0  # when what is left is void
    _held_until: float = 0.0  # by a 429
    _next_slot: float = 0.0
    _promised: int = 0  # requests of slots taken whose polls are still to be made
    _told_until: float = -HOUR
    _sent: deque[list[float]] = field(factory=deque)  # minutes of the last hour, each with its requests
    _count: float = 0.0  # the sum of these
    _lock: Lock = field(factory=Lock)

    @classmethod
    def of(cls, account: Account) -> RateLimiter:
        """The account's rate_limiter: one for all its clients in this process, for the server counts them together."""
        return _of_accounts.of(account)

    def on_request(self, now: float) -> None:
        """Count a request to the API that is about to leave."""
        minute = now // _MINUTE * _MINUTE
        with self._lock:
            if not self._sent or self._sent[-1][0] != minute:
                self._forget(now)
                self._sent.append([minute, 0.0])
            self._sent[-1][1] += 1
            self._count += 1
            if self._left is not None:
                self._left -= 1

    def on_response(self, head: Head, now: float) -> None:
        """Take note of what the API's answer says, whatever its status."""
        limits = Limits.of(head)
        with self._lock:
            self._forget(now)
            self._limit = limits.limit or self._limit
            if limits.remaining is not None:
                self._note_left(limits.remaining, limits.reset, now)
            # A longer one speaks of another limit, such as that of exports a day; so does one with requests left, were
            # it not for short bursts.
            longest = _MINUTE if limits.remaining else HOUR
            if limits.retry_after is not None and limits.retry_after <= longest:
                self._held_until = max(self._held_until, now + limits.retry_after)

    def pace(self, now: float) -> float:
        """Server hint: the least pause, in seconds, of somebody who polls alone; 0 with plenty left, never above 3600.

        It only looks. Several who did as it says would fire together: `reserve` a slot for that.
        """
        with self._lock:
            return min(max(self._tempo(now)), HOUR)

    def reserve(self, now: float, requests: int = 1) -> Reservation:
        """Take the next free slot for a poll, which may take several requests, such as the pages of a list.

        Slots follow each other so that what is left lasts until the reset. Each is either to be redeemed, when its
        poll is about to be made, or to be given back.
        """
        with self._lock:
            held, spacing = self._tempo(now, requests)
            spacing = min(spacing * requests, HOUR)
            is_paced = bool(held or spacing)
            slot = min(max(now + held, self._next_slot), now + HOUR) if is_paced else now
            self._next_slot = slot + spacing
            self._promised += requests
            begins = is_paced and now >= self._told_until
            if begins:
                self._told_until = now + HOUR if self._left is None else self._reset_at
            left, limit, until = self._what_is_left(), self._limit, self._told_until
        if begins:  # outside of the lock, for a handler may do anything
            logger.info("%d of %d requests left for the next %d s: polls slow down", max(left, 0), limit, until - now)
        return Reservation(min(slot - now, HOUR), spacing, requests)

    def commit(self, requests: int = 1) -> None:
        """Be done with a slot, of that many requests, whose poll is about to be made."""
        with self._lock:
            self._promised -= requests

    def release(self, slot: Reservation, now: float) -> None:
        """Be done with a slot whose poll will not be made: it is free for others."""
        with self._lock:
            self._promised -= slot.requests
            self._next_slot = max(self._next_slot - slot.spacing, now)

    def blocked_for(self, now: float) -> float:
        """Seconds until the server, by its own word, takes any request again; 0 when it does, never above 3600."""
        with self._lock:
            self._forget(now)
            is_spent = self._left is not None and self._left < 1
            return min(max(self._held_until - now, self._reset_at - now if is_spent else 0.0, 0.0), HOUR)

    def _note_left(self, left: float, reset: float | None, now: float) -> None:
        if reset is not None:
            self._reset_at = min(now + reset + _ROUNDING, now + HOUR)
        # Without a reset the hour is taken to begin where the count is first seen, or jumps up.
        elif self._left is None or left > self._left + _RESERVE * self._limit:
            self._reset_at = now + HOUR
        self._left = left
        self._limit = max(self._limit, left)

    def _forget(self, now: float) -> None:
        """Drop what no longer counts."""
        if self._left is not None and now >= self._reset_at:
            # The server has begun to count anew, and so do we.
            self._left, self._count = None, 0.0
            self._sent.clear()
        while self._sent and now >= self._sent[0][0] + _MINUTE + HOUR:
            self._count -= self._sent.popleft()[1]

    def _what_is_left(self) -> float:
        return self._limit - self._count if self._left is None else self._left

    def _tempo(self, now: float, requests: int = 1) -> tuple[float, float]:
        """Seconds until so many requests may leave, and from then on between any two; (0, 0) with plenty left."""
        self._forget(now)
        held, spacing = max(self._held_until - now, 0.0), 0.0
        left = self._what_is_left() - self._promised
        if left <= _PLENTY * self._limit:
            usable = left - _RESERVE * self._limit
            queue = max(self._next_slot - now, 0.0)  # how long what is promised takes
            for seconds, freed in self._releases(now):
                if usable < requests:
                    held = max(held, seconds)
                else:
                    spacing = max(spacing, (seconds - max(held, queue)) / usable)
                usable += freed
        if held:  # those who were held back come back one by one
            spacing = max(spacing, HOUR / self._limit)
        return held, min(spacing, HOUR)

    def _releases(self, now: float) -> list[tuple[float, float]]:
        """In how many seconds how many requests are granted anew."""
        if self._left is not None:
            return [(self._reset_at - now, self._limit)]
        return [(minute + _MINUTE + HOUR - now, count) for minute, count in self._sent]


_of_accounts: PerAccount[RateLimiter] = PerAccount(RateLimiter)
