"""When to ask for a job's state again: a pure decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from attrs import field, frozen, validators

from impact_jobs.errors import ConfigurationError
from impact_jobs.validation import instance_of, number

_SHARE_OF_AGE = 0.2
_JITTER = 0.2


@frozen(kw_only=True)
class Polling:
    """How often a waiting client asks.

    The pause is a fifth of the time waited so far, jittered and kept within `minimum` and `maximum`: short
    jobs are noticed within a second, and long ones cost few of the account's 1,000 requests an hour.

    Attributes:
        minimum: Seconds; no two questions are closer.
        maximum: Seconds; no two questions are further apart.
        error_grace: How long a job may stay in ERROR before the wait gives up on it. None gives up at once;
            brand-style accounts, whose server retries such jobs every 15 minutes, want a timedelta.

    Raises:
        ConfigurationError: A number is out of range, or `error_grace` is no timedelta.

    Example:
        >>> Polling(minimum=5, maximum=120)
        Polling(minimum=5, maximum=120, error_grace=None)
    """

    minimum: float = field(default=1.0, validator=number(above=0))
    maximum: float = field(default=30.0, validator=number(above=0))
    error_grace: timedelta | None = field(default=None, validator=validators.optional(instance_of(timedelta)))

    def __attrs_post_init__(self) -> None:
        if self.maximum < self.minimum:
            raise ConfigurationError(f"Polling: maximum={self.maximum:g} is below minimum={self.minimum:g}.")

    def pause(self, waited: float, *, random: Callable[[], float]) -> float:
        """Seconds until the next question.

        Args:
            waited: Seconds since the wait began.
            random: Gives numbers from 0 to 1.
        """
        jitter = 1.0 + _JITTER * (2.0 * random() - 1.0)
        return min(max(_SHARE_OF_AGE * waited * jitter, self.minimum), self.maximum)
