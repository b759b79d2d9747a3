"""When an account whose requests or exports are used up has some again."""

from __future__ import annotations

from datetime import datetime, timedelta

from impact_jobs._api.context import ClientContext
from impact_jobs._operations.report_errors import is_daily
from impact_jobs._transport.clock import utc
from impact_jobs.errors import RateLimitError

_HOUR = timedelta(hours=1)


def hourly_pause(context: ClientContext, error: RateLimitError) -> float:
    """Return the seconds until the account has requests again, at most an hour; 0 if no exports are left."""
    if is_daily(error, context.retry.max_delay):
        return 0.0
    return max(context.rate_limiter.blocked_for(context.transport.now()), error.retry_after or 0.0)


def exports_again_at(context: ClientContext, error: RateLimitError) -> datetime:
    """Return from when on the account may export again, which was refused with this error."""
    now = utc()
    if error.retry_after is not None:
        return now + timedelta(seconds=error.retry_after)
    return max(context.daily_exports.again_at(now), now + _HOUR)


def quota_resets_at(context: ClientContext, error: RateLimitError) -> datetime:
    """Return from when on the account has requests or exports again; see `impact_jobs.toolkit.quota_resets_at`."""
    seconds = hourly_pause(context, error)
    return utc() + timedelta(seconds=seconds) if seconds else exports_again_at(context, error)
