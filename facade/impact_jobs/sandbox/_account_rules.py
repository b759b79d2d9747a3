"""What differs between the three kinds of account: paths, dates of the list, replays and exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta, timezone
from typing import Final, Literal

from attrs import frozen

AccountKind = Literal["agency", "brand", "partner"]
ListShape = Literal["array", "jobs", "pages"]

ZONE: Final = timezone(timedelta(hours=-5))  # the published examples' offset
LAST_SECOND: Final = time(23, 59, 59)

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:?[0-9]{2})?")


@frozen(kw_only=True)
class AccountRules:
    """The rules of one kind of account.

    Attributes:
        collection: The first segment of its paths.
        api_version: Its ``IR-Version``.
        list_shape: How its list of jobs is wrapped.
        lists_by_moment: Whether ``CreatedAfter`` and ``CreatedBefore`` are moments; otherwise they are days.
        bounds_are_exclusive: Whether the list leaves out jobs that were created at the bound itself.
        replays_in_place: Whether a replay queues the same job again.
        retries_errors: Whether a job in ERROR is run again every 15 minutes, and fails after five tries.
        start_parameter: The export parameter of the start.
        end_parameter: The export parameter of the end.
        exports_by_moment: Whether these two are moments; otherwise they are days.
        refuses_by_status: Whether an export that cannot be run is answered by 404 or 400; otherwise by 200 and ERROR.
    """

    collection: str
    api_version: str
    list_shape: ListShape = "jobs"
    lists_by_moment: bool = False
    bounds_are_exclusive: bool = True
    replays_in_place: bool = True
    retries_errors: bool = True
    start_parameter: str = "START_DATE"
    end_parameter: str = "END_DATE"
    exports_by_moment: bool = False
    refuses_by_status: bool = False


RULES: Final[Mapping[AccountKind, AccountRules]] = {
    "agency": AccountRules(
        collection="Agencies",
        api_version="3",
        list_shape="array",
        bounds_are_exclusive=False,
        replays_in_place=False,
        retries_errors=False,
    ),
    "brand": AccountRules(
        collection="Advertisers",
        api_version="14",
        lists_by_moment=True,
        start_parameter="StartDate",
        end_parameter="EndDate",
        exports_by_moment=True,
    ),
    "partner": AccountRules(collection="Mediapartners", api_version="16", refuses_by_status=True),
}


def parse_day(text: str) -> datetime | None:
    """Parse a day in the documented form, YYYY-MM-DD, as its midnight; return None for anything else."""
    return _parsed(_DAY, text, lambda moment: moment.replace(tzinfo=ZONE))


def parse_moment(text: str) -> datetime | None:
    """Parse a date-time without fractions of a second; without an offset it is local time. None for anything else."""
    return _parsed(_MOMENT, text, lambda moment: moment if moment.tzinfo else moment.replace(tzinfo=ZONE))


def _parsed(form: re.Pattern[str], text: str, aware: Callable[[datetime], datetime]) -> datetime | None:
    if not form.fullmatch(text):
        return None
    try:
        return aware(datetime.fromisoformat(text))
    except ValueError:
        return None


@frozen(kw_only=True)
class Created:
    """The bounds of a list by date of creation; None if there is none."""

    after: datetime | None
    before: datetime | None

    def holds(self, created: datetime, rules: AccountRules) -> bool:
        """Return whether a job that was created at a moment belongs into the list."""
        moment = created if rules.lists_by_moment else datetime.combine(created.date(), time(), tzinfo=ZONE)
        if rules.bounds_are_exclusive:
            return (self.after is None or moment > self.after) and (self.before is None or moment < self.before)
        return (self.after is None or moment >= self.after) and (self.before is None or moment <= self.before)
