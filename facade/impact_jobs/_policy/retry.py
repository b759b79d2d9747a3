"""Whether to try a request again, and when."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from impact_jobs._validators import number
from impact_jobs.errors import ApiError, JobsError, RateLimitError, TransportError

_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR = 500


@frozen(kw_only=True)
class Retry:
    """How often one request is tried, and how long to pause in between.

    A GET, to the API or to the storage, is retried after connection errors, a truncated body, 408, 425, 429 and any
    5xx, and if it came too early for a job that was replayed or completed a moment ago. A replay (PUT) is retried only
    if no byte of it can have been sent. `Retry-After` is honoured up to `max_delay`.

    Attributes:
        attempts: Tries in all, including the first one.
        base_delay: Seconds before the second try. The delay doubles before each further try, less random jitter.
        max_delay: The longest pause in seconds, even if the server asks for a longer one.
        stops_at_quota: Whether a 429 of the API is raised at once if its `Retry-After` is longer than `max_delay`,
            because the account has no requests left until then. Otherwise it is tried again like every error.

    Raises:
        ConfigurationError: A number is out of range.

    Example:
        >>> Retry(attempts=1)  # never try again
        Retry(attempts=1, base_delay=0.5, max_delay=60.0, stops_at_quota=False)
    """

    attempts: int = field(default=4, validator=number(at_least=1, whole=True))
    base_delay: float = field(default=0.5, validator=number(at_least=0))
    max_delay: float = field(default=60.0, validator=number(at_least=0))
    stops_at_quota: bool = False

    def delay(
        self, error: JobsError, attempt: int, *, random: Callable[[], float], repeatable: bool = True
    ) -> float | None:
        """Return the seconds to pause before the next try, or None if `error` should be raised.

        Args:
            error: The error of the last try.
            attempt: Its number; the first is 1.
            random: Returns numbers from 0 to 1.
            repeatable: Whether the request may arrive twice without harm, like any GET.

        Returns:
            Seconds, at most `max_delay`; None if a retry would not help or all `attempts` are used up.

        Example:
            >>> Retry(base_delay=2.0).delay(TransportError("no route to host"), 1, random=lambda: 1.0)
            2.0
            >>> Retry().delay(JobNotFoundError("no such job", status_code=404), 1, random=lambda: 1.0)
        """
        may_help = is_transient(error) if repeatable else isinstance(error, TransportError) and not error.request_sent
        if attempt >= self.attempts or not may_help or (self.stops_at_quota and self._is_quota(error)):
            return None
        return self.pause(error, attempt, random=random)

    def _is_quota(self, error: JobsError) -> bool:
        if not isinstance(error, RateLimitError) or error.is_from_storage:
            return False
        return (error.retry_after or 0.0) > self.max_delay

    def pause(self, error: JobsError, failures: int, *, random: Callable[[], float]) -> float:
        """Return the seconds to pause after consecutive failures: as the server asks, else exponential.

        Args:
            error: The error of the last try.
            failures: How many there were in a row; at least 1.
            random: Returns numbers from 0 to 1.

        Returns:
            Seconds, at most `max_delay`.

        Example:
            >>> [Retry().pause(TransportError("cut"), failures, random=lambda: 1.0) for failures in (1, 2, 3)]
            [0.5, 1.0, 2.0]
        """
        asked = error.retry_after if isinstance(error, ApiError) else None
        if asked is not None:
            return min(asked, self.max_delay)
        # 2.0**1000 is still a float, and no wait fails more often.
        ceiling = min(self.base_delay * 2.0 ** min(failures - 1, 1000), self.max_delay)
        return ceiling * (0.5 + random() / 2)


def is_transient(error: JobsError) -> bool:
    """Whether the same GET may succeed if it is sent again."""
    has_transient_status = isinstance(error, ApiError) and is_transient_status(error.status_code)
    return isinstance(error, TransportError) or has_transient_status or error.is_too_early


def is_transient_status(status: int) -> bool:
    """Whether a GET that was answered with this status may succeed if it is sent again."""
    return status in _TRANSIENT_STATUSES or status >= _FIRST_SERVER_ERROR
