"""Files of a plan, grouped as people read them: consecutive windows of one report, from a first day to a last."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date, timedelta
from typing import TypeVar

from impact_jobs.cli.output import printable
from impact_jobs.sync import PlannedFile

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_DAY = timedelta(days=1)
_MAX_GROUPS = 3
_MAX_NAMES = 2


def consecutive(
    items: Iterable[T],
    file_of: Callable[[T], PlannedFile],
    kind_of: Callable[[T], Hashable] = lambda _: None,
) -> list[list[T]]:
    """Group the items whose files are consecutive windows of one account's report, and that are of one kind.

    The accounts keep their order, and so do the reports of each. Of a report, the newest group comes first; in a group,
    the oldest item.
    """
    found: list[list[T]] = []
    for members in by_report(items, file_of).values():
        groups: list[list[T]] = []
        for same in grouped(members, kind_of).values():
            last: date | None = None
            for item in sorted(same, key=lambda each: file_of(each).window.start):
                window = file_of(item).window
                if last is None or window.start != last + _DAY:
                    groups.append([])
                groups[-1].append(item)
                last = window.end
        found += sorted(groups, key=lambda group: file_of(group[0]).window.start, reverse=True)
    return found


def by_report(items: Iterable[T], file_of: Callable[[T], PlannedFile]) -> dict[tuple[str, str], list[T]]:
    """Group the items by account and report, those of each account together."""
    of_account = grouped(items, lambda item: file_of(item).account)
    return {
        (account, report): found
        for account, members in of_account.items()
        for report, found in grouped(members, lambda item: file_of(item).report).items()
    }


def grouped(items: Iterable[T], key_of: Callable[[T], K]) -> dict[K, list[T]]:
    """Group the items by a key, in order."""
    found: dict[K, list[T]] = {}
    for item in items:
        found.setdefault(key_of(item), []).append(item)
    return found


def days_of(files: Sequence[PlannedFile]) -> str:
    """Return the days of consecutive files, the oldest first, such as "2026-05" or "2025-01 to 2026-05-28"."""
    start, end = files[0].window.start, files[-1].window.end
    is_whole = end.day == monthrange(end.year, end.month)[1]
    if (start.year, start.month) == (end.year, end.month):
        if start.day == 1 and is_whole:
            return f"{start:%Y-%m}"
        return str(start) if start == end else f"{start} to {end:%d}"
    return (
        f"{f'{start:%Y-%m}' if start.day == 1 else start} to {f'{end:%Y-%m}' if is_whole and start.day == 1 else end}"
    )


def described(files: Iterable[PlannedFile]) -> str:
    """Return the reports and days of one account's files: "actions 2025-01 to 2026-04, clicks 2026-05"."""
    by_days = grouped(consecutive(files, lambda file: file), days_of)
    texts = []
    for days, groups in list(by_days.items())[:_MAX_GROUPS]:
        names = [printable(group[0].report) for group in groups]
        texts.append(f"{' and '.join(names)} {days}" if len(names) <= _MAX_NAMES else f"{len(names)} reports {days}")
    hidden = sum(len(group) for groups in list(by_days.values())[_MAX_GROUPS:] for group in groups)
    return ", ".join([*texts, *([f"and {hidden} more"] if hidden else [])])


def up_to_date(count: int, total: int) -> str:
    """Return how many of the files of a plan are up to date."""
    return f"{count:,} of {counted(total)} {'is' if total == 1 else 'are'} up to date"


def counted(count: int, noun: str = "file") -> str:
    """Return the number with its noun: "1 file", "1,200 files"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
