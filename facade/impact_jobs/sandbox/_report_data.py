"""The actions that all reports show: every action follows from a seed, a report, its day and the day it is seen on."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from attrs import field, frozen

from impact_jobs.sandbox._account_rules import LAST_SECOND

FIRST_DAY: Final = date(2020, 1, 1)  # there are no actions before it
CORRECTED_WITHIN: Final = 30  # days after which an action no longer changes
LARGEST_CACHED_DAY: Final = 100  # rows a day; reports with more are generated anew, so that memory stays bounded

# Names with commas, quotation marks, a newline and letters beyond ASCII, so that a reader that splits at commas or
# lines, or counts characters instead of bytes, fails here rather than in production.
_PROGRAMS: Final = (
    "Acme Shoes", "Northwind Travel", "Harbor & Pine, Ltd", "Café Lumière", 'The "Blue" Door',
    "Globex", "Initech Software", "Umbra Home", "Żółw & Söhne", "東京ストア",
)  # fmt: skip
_PARTNERS: Final = ("Deal Finder", "Blog, Inc.", "Coupons <24>", "Reiseblog Müller", "Price & Compare", "Newsletter 5")
_NOTES: Final = ("", "", "newsletter", "gift, wrapped", 'said "hurry"', "first line\nsecond line", "déjà vu", "0012")
_CURRENCIES: Final = ("USD", "USD", "EUR", "GBP")
_DAY_SECONDS: Final = 86_400
_BYTES: Final = 16  # of entropy for an action


@frozen
class Action:
    """An action as a report shows it; amounts are in cents, `rate` is in hundredths of a percent."""

    id: str
    day: date
    second: int
    program_id: str
    program: str
    partner_id: str
    partner: str
    status: str
    amount: int
    rate: int
    currency: str
    quantity: int
    is_new_customer: bool
    locks_on: date
    click_id: str
    note: str

    @property
    def payout(self) -> int:
        """What the partner earns, in cents."""
        return 0 if self.status == "REVERSED" else self.amount * self.rate // 10_000

    @property
    def moment(self) -> str:
        """When it happened, with the offset of the account."""
        minutes, seconds = divmod(self.second, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{self.day}T{hours:02d}:{minutes:02d}:{seconds:02d}-05:00"


def _filtered(filters: Mapping[str, str], action: Action) -> bool:
    return all(_MATCHES[name](action, text) for name, text in filters.items() if name in _MATCHES)


_MATCHES: Final = {
    "SUBAID": lambda action, text: action.program_id == text,
    "STATUS": lambda action, text: action.status == text.upper(),
    "NEW_CUSTOMER": lambda action, text: action.is_new_customer == (text.lower() == "true"),
    "MINIMUM_QUANTITY": lambda action, text: action.quantity >= int(text),
    "MINIMUM_AMOUNT": lambda action, text: action.amount >= Decimal(text) * 100,
}


@frozen(kw_only=True)
class ReportData:
    """The actions of a report in a window, as they were known on a day.

    Args:
        source: Decides the contents: the seed of the sandbox, and the brand if it is one of an agency's.
        report_id: The report; each has data of its own.
        rows_per_day: The average number of actions a day.
        start: The first moment, in local time.
        end: The last moment, inclusive.
        as_of: The day on which the report was run.
        filters: Names and values; those that are unknown change nothing.
    """

    source: str
    report_id: str
    rows_per_day: int
    start: datetime
    end: datetime
    as_of: date
    filters: tuple[tuple[str, str], ...] = field(default=())

    def days(self) -> Iterator[date]:
        """Yield the days that may have actions."""
        day, last = max(self.start.date(), FIRST_DAY), min(self.end.date(), self.as_of)
        while day <= last:
            yield day
            day += timedelta(days=1)

    def on(self, day: date) -> ReportData:
        """Return the part of a day; parts of equal windows are equal, which is what makes caches work."""
        start = max(self.start, datetime.combine(day, time()))
        end = min(self.end, datetime.combine(day, LAST_SECOND))
        return ReportData(
            source=self.source,
            report_id=self.report_id,
            rows_per_day=self.rows_per_day,
            start=start,
            end=end,
            as_of=min(self.as_of, day + timedelta(days=CORRECTED_WITHIN)),
            filters=self.filters,
        )

    def actions(self) -> Iterator[Action]:
        """Yield the actions in order of time."""
        filters = dict(self.filters)
        for day in self.days():
            first, last = _second_of(self.start, day), _second_of(self.end, day)
            for action in _actions_of_day(self, day):
                if first <= action.second <= last and _filtered(filters, action):
                    yield action


def _second_of(moment: datetime, day: date) -> int:
    return int((moment - datetime.combine(day, time())).total_seconds())


def _actions_of_day(data: ReportData, day: date) -> Iterator[Action]:
    # Not `random`, because its results may change with the Python version, and every known checksum with them.
    label = f"report/1/{data.source}/{data.report_id}/{day}"
    count = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big") % (2 * data.rows_per_day + 1)
    entropy = hashlib.shake_256(label.encode()).digest(_BYTES * count)
    age = (data.as_of - day).days
    for number in range(count):
        yield _action(day, number, count, entropy[_BYTES * number : _BYTES * (number + 1)], age=age)


def _action(day: date, number: int, count: int, entropy: bytes, *, age: int) -> Action:
    program, partner = entropy[0] % len(_PROGRAMS), entropy[1] % len(_PARTNERS)
    amount = int.from_bytes(entropy[2:4], "big") + 100
    settled_after = entropy[4] % CORRECTED_WITHIN + 1
    status = "PENDING"
    if age >= settled_after:
        status = "REVERSED" if entropy[5] < 48 else "APPROVED"  # noqa: PLR2004 - about one in five
        if entropy[6] < 64:  # noqa: PLR2004 - one in four is corrected
            amount = amount * (50 + entropy[7] % 100) // 100
    # The actions of a day are spread over it in order.
    second = (number * _DAY_SECONDS + int.from_bytes(entropy[8:10], "big") * _DAY_SECONDS // 65_536) // count
    return Action(
        id=f"1000.{day.toordinal()}.{number:06d}",
        day=day,
        second=second,
        program_id=str(10_001 + program),
        program=_PROGRAMS[program],
        partner_id=f"00{4_700 + partner}",  # leading zeros are lost if the id is read as a number
        partner=_PARTNERS[partner],
        status=status,
        amount=amount,
        rate=500 + 25 * (entropy[10] % 40),
        currency=_CURRENCIES[entropy[11] % len(_CURRENCIES)],
        quantity=entropy[12] % 5 + 1,
        is_new_customer=entropy[12] >= 128,  # noqa: PLR2004 - one in two
        locks_on=_day(day.toordinal() + settled_after),
        click_id=entropy[2:12].hex(),
        note=_NOTES[entropy[13] % len(_NOTES)],
    )


@functools.lru_cache(maxsize=512)
def _day(ordinal: int) -> date:
    return date.fromordinal(ordinal)
