"""One night: what was asked for, what it cost, and whether all files are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from attrs import field, frozen
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import PlannedFile

from tests.sync.nights.expected import Asked, Window, asked_since, most_within, requests_since, window_of
from tests.sync.nights.truth import made_on, wrong
from tests.sync.nights.world import DAY, HOUR, World


@frozen(kw_only=True)
class AccountNight:
    """A row of the table.

    Attributes:
        number: The night, from 1.
        day: Its day.
        account: The plan's name.
        asked: The exports and replays, in their order.
        left: How many files are left for the next night.
        files: How many files are there and right.
        requests: The most requests in any hour so far.
        sends: The most exports and replays in any 24 hours so far.
        problems: What is wrong.
    """

    number: int
    day: date
    account: str
    asked: Sequence[Asked]
    left: int
    files: int
    requests: int
    sends: int
    problems: tuple[str, ...] = field(default=())

    @property
    def exports(self) -> int:
        return sum(not each.is_replay for each in self.asked)

    @property
    def replays(self) -> int:
        return sum(each.is_replay for each in self.asked)


def files_of(world: World, account: str) -> list[PlannedFile]:
    return [file for file in world.load().files() if file.account == account]


def made_of(world: World, account: str) -> dict[Window, date]:
    """Return the day of the data of each window whose file is there with all its days."""
    sandbox = world.sandboxes[account]
    made = {window_of(file): made_on(file.path, sandbox) for file in files_of(world, account)}
    held = {window: day for window, day in made.items() if day is not None}
    # The file of the current month or week ends later each night.
    return {window: day for window, day in held.items() if day > window[2]}


def look_at(
    world: World,
    number: int,
    account: str,
    *,
    since: datetime,
    spared: Iterable[Window] = (),
    repeated: Collection[Window] = (),
) -> AccountNight:
    """Look at an account after a night.

    Args:
        world: The sandboxes and the folder.
        number: The night, from 0.
        account: The plan's name of the account.
        since: The moment at which the night began.
        spared: Windows that need not be right.
        repeated: Windows that may be exported several times.
    """
    sandbox, settings, today = world.sandboxes[account], world.settings, since.date()
    seed = 100 * settings.seed + settings.names.index(account)
    problems, right, left = list[str](), 0, 0
    exempt = {*spared}
    for file in files_of(world, account):
        made = made_on(file.path, sandbox)
        if window_of(file) in exempt:
            left += 1
        elif made is None:
            problems.append(f"{file.path} is missing")
        elif found := wrong(file, str(seed), made, today=today, rows_per_day=settings.rows_per_day):
            problems.append(found)
        else:
            right += 1
    sends = [asked.time for asked in asked_since(sandbox, 0.0)]
    requests = sorted(request.time for request in requests_since(sandbox, 0.0))
    return AccountNight(
        number=number + 1,
        day=today,
        account=account,
        asked=asked_since(sandbox, since.timestamp()),
        left=left,
        files=right,
        requests=most_within(requests, HOUR),
        sends=most_within(sends, DAY),
        problems=(*problems, *(each for window, each in _repeated(sandbox, since) if window not in repeated)),
    )


def _repeated(sandbox: Sandbox, since: datetime) -> Iterator[tuple[Window, str]]:
    """Yield the windows that a night has exported again, or replayed several times."""
    begin = since.timestamp()
    exports = Counter(each.window for each in asked_since(sandbox, 0.0) if not each.is_replay)
    asked = asked_since(sandbox, begin)
    replays = Counter(each.window for each in asked if each.is_replay)
    for window in {each.window: None for each in asked if not each.is_replay}:
        if exports[window] > 1:
            yield window, f"{window} was exported {exports[window]} times"
    for window, count in replays.items():
        if count > 1:
            yield window, f"{window} was replayed {count} times in the night"


def text_of(rows: Sequence[AccountNight], names: Mapping[str, str]) -> str:
    """Return the table."""
    head = ("night", "day", "account", "exports", "refreshes", "left", "right", "requests/h", "exports/24 h", "asked")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        numbers = (row.exports, row.replays, row.left, row.files, row.requests, row.sends)
        lines.append((str(row.number), str(row.day), row.account, *map(str, numbers), _spans(row.asked, names)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1])) for line in lines
    )


def _spans(asked: Sequence[Asked], names: Mapping[str, str]) -> str:
    """Return the windows of each report, such as `actions 2024-06-01…2026-05-28 (24)`."""
    by_report: dict[str, list[Window]] = {}
    for each in asked:
        by_report.setdefault(names[each.window[0]], []).append(each.window)
    return ", ".join(
        f"{name} {min(window[1] for window in windows)}…{max(window[2] for window in windows)} ({len(windows)})"
        for name, windows in by_report.items()
    )
