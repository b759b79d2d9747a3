"""What `watch` shows: how fast jobs move, when they may end, and the table that fits the terminal."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock

from attrs import define, field, frozen
from rich.cells import cell_len
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from impact_jobs.cli.output import shown
from impact_jobs.cli.tables import bar, fitted, status_text, style_of
from impact_jobs.models import Job, JobStatus

_MOVES = 8  # the latest moves decide the rate: an hour ago says little of now
_NEARLY, _WHOLE = 99, 100  # percent; servers like to rest at 99
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
# What moves comes first, and then what asks for attention, for a terminal may not hold all rows. Within a group jobs
# keep the order in which they came: rows that jump about cannot be read.
_RANKS = {"FAILED": 1, "ERROR": 1, "CANCELLED": 1, "QUEUED": 2, "COMPLETED": 3}
_SHORTEST_ID = 8
_GAP = 2


@define
class _Series:
    """A quantity that grows: the moments at which it was first seen to have moved."""

    moves: deque[tuple[datetime, int]] = field(factory=lambda: deque(maxlen=_MOVES))

    def see(self, value: int, *, at: datetime, since: datetime | None) -> None:
        is_first = not self.moves
        if not is_first and value < self.moves[-1][1]:
            self.moves.clear()  # the job was started over
        if is_first and value and since is not None and since < at:
            self.moves.append((since, 0))  # so that a rate is known at first sight
        if not self.moves or value != self.moves[-1][1]:
            self.moves.append((at, value))

    def rate(self, seen: datetime) -> float | None:
        """What is gained a second; None where that is not known, or it has rested for longer than all moves took."""
        if not self.moves:
            return None
        (first, low), (last, high) = self.moves[0], self.moves[-1]
        took = (last - first).total_seconds()
        return (high - low) / took if 0 < took >= (seen - last).total_seconds() else None


@frozen(kw_only=True)
class Pace:
    """How fast a job moves.

    Attributes:
        percent_a_minute: Of late; None where that is not known, or it does not move.
        records_a_second: The same.
        ends: When it will be done at that pace; None where that is not known.
        is_nearly_done: Whether it may end at any moment: it is at 99 percent, or past the time expected.
    """

    percent_a_minute: float | None = None
    records_a_second: float | None = None
    ends: datetime | None = None
    is_nearly_done: bool = False


@define
class _Track:
    """One job over time."""

    job: Job
    seen: datetime
    percent: _Series = field(factory=_Series)
    records: _Series = field(factory=_Series)

    def see(self, job: Job, at: datetime) -> None:
        if at < self.seen or _lags(job, behind=self.job):
            return
        self.job, self.seen = job, at
        self.percent.see(_percent(job), at=at, since=job.started_date)
        self.records.see(max(job.records_processed or 0, 0), at=at, since=job.started_date)

    def pace(self, now: datetime) -> Pace:
        if self.job.is_terminal or self.job.status == JobStatus.QUEUED:
            return Pace()
        rate = self.percent.rate(self.seen)
        reached, percent = self.percent.moves[-1]
        ends = _later(reached, (_WHOLE - percent) / rate) if rate else None
        return Pace(
            percent_a_minute=rate and rate * _MINUTE,
            records_a_second=self.records.rate(self.seen),
            ends=ends,
            is_nearly_done=percent >= _NEARLY or (ends is not None and ends <= now),
        )


@define
class Board:
    """The jobs that are watched, from their snapshots. It does no I/O, knows no clock, and is safe in threads.

    Example:
        >>> board = Board()
        >>> board.see(job, at=datetime.now(UTC))
        >>> board.counts
        Counter({'RUNNING': 1})
    """

    _tracks: dict[str, _Track] = field(factory=dict)
    _lock: Lock = field(factory=Lock, repr=False, eq=False)  # a live display draws in a thread of its own

    def see(self, job: Job, *, at: datetime) -> None:
        """Take note of a snapshot; one that is older than what is known changes nothing.

        Args:
            job: The snapshot.
            at: When it was taken, aware.
        """
        with self._lock:
            self._tracks.setdefault(job.id, _Track(job, at)).see(job, at)

    @property
    def jobs(self) -> list[Job]:
        """The latest snapshots: first what runs, then what failed, what is queued, and what is completed."""
        with self._lock:
            jobs = [track.job for track in self._tracks.values()]
        return sorted(jobs, key=lambda job: _rank(job.status))

    @property
    def counts(self) -> Counter[str]:
        """How many jobs there are of each status, in the order of `jobs`."""
        return Counter(shown(job.status) for job in self.jobs)

    def pace(self, job: Job, *, now: datetime) -> Pace:
        """How fast `job`, one of these, moves."""
        with self._lock:
            return self._tracks[job.id].pace(now)


def summary(board: Board) -> str:
    """The jobs counted, such as "2 running, 1 failed"."""
    return ", ".join(f"{count} {status.lower()}" for status, count in board.counts.items()) or "no jobs"


def table(board: Board, *, now: datetime, width: int, unicode: bool = True, rows: int | None = None) -> Table:
    """The board for a terminal; what matters less is left out where there is no room.

    Args:
        board: The jobs.
        now: The present, aware.
        width: Columns of the terminal.
        unicode: Whether it shows more than ASCII.
        rows: How many jobs are shown at most; the others are only counted. None shows all.

    Returns:
        The table, with a summary below where there are several jobs. It is no wider than `width` if that is 30 or more.
    """
    all_jobs = board.jobs
    jobs = all_jobs[:rows]
    columns = _columns(board, jobs, now=now, unicode=unicode)
    made = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim", caption_justify="left")
    widths = _fitting(columns, width)
    for title, chosen in widths.items():
        made.add_column(title, width=chosen, no_wrap=True, overflow="crop", justify=columns[title].justify)
    cells = [columns[title].cells(chosen) for title, chosen in widths.items()]
    for row in zip(*cells, strict=True):
        cut = (fitted(cell, chosen, unicode=unicode) for cell, chosen in zip(row, widths.values(), strict=True))
        made.add_row(*cut)
    if len(all_jobs) > 1:
        hidden = len(all_jobs) - len(jobs)
        text = summary(board) + (f" ({hidden} not shown)" if hidden else "")
        made.caption = fitted(Text(text, style="dim"), len(text), unicode=unicode)
    return made


@frozen(kw_only=True)
class _Column:
    """What a column shows: `cells` at a width of its own choice, from the least that makes sense up."""

    cells: Callable[[int], Sequence[Text]]
    widths: tuple[int, ...]
    justify: JustifyMethod = "left"


# The columns from left to right, and how they are let in: by importance, some first narrow and wider later.
_ORDER = ("JOB", "STATUS", "PROGRESS", "%", "LEFT", "AGE", "%/MIN", "RECORDS", "REC/S", "ENDS UTC", "TYPE", "MESSAGE")
_STEPS = (
    ("JOB", 0),
    ("STATUS", 0),
    ("%", 0),
    ("LEFT", 0),
    ("JOB", 1),
    ("PROGRESS", 0),
    ("AGE", 0),
    ("%/MIN", 0),
    ("MESSAGE", 0),
    ("REC/S", 0),
    ("ENDS UTC", 0),
    ("RECORDS", 0),
    ("PROGRESS", 1),
    ("MESSAGE", 1),
    ("TYPE", 0),
)


def _fitting(columns: Mapping[str, _Column], width: int) -> dict[str, int]:
    """The widths of the columns that fit, from left to right."""
    chosen: dict[str, int] = {}
    for title, step in _STEPS:
        if title in columns and step < len(columns[title].widths):
            tried = chosen | {title: columns[title].widths[step]}
            if sum(tried.values()) + _GAP * (len(tried) - 1) <= width or not chosen:
                chosen = tried
    return {title: chosen[title] for title in _ORDER if title in chosen}


def _columns(board: Board, jobs: Sequence[Job], *, now: datetime, unicode: bool) -> dict[str, _Column]:
    paces = [board.pace(job, now=now) for job in jobs]
    unknown = "\u2013" if unicode else "-"

    def plain(title: str, texts: Sequence[str], *, least: int = 0, justify: JustifyMethod = "right") -> _Column:
        width = min(max(least, *map(cell_len, (title, *texts))), 20)
        return _Column(cells=lambda _: [Text(text) for text in texts], widths=(width,), justify=justify)

    def left(job: Job, pace: Pace) -> str:
        if job.is_terminal or job.status == JobStatus.QUEUED:
            return ""
        if pace.is_nearly_done:
            return "soon"
        return _span((pace.ends - now).total_seconds()) if pace.ends else unknown

    def age(job: Job) -> str:
        return _span((now - job.created_date).total_seconds()) if job.created_date else ""

    def records(job: Job) -> str:
        return "" if job.records_processed is None else f"{job.records_processed:,}"

    statuses = list(map(status_text, jobs))
    percents = list(map(_percent, jobs))

    def bars(width: int) -> list[Text]:
        shares = zip(jobs, percents, strict=True)
        return [bar(percent / _WHOLE, width, unicode=unicode, style=style_of(job)) for job, percent in shares]

    messages = [shown(job.status_message or "") for job in jobs]
    columns = {
        "JOB": _ids([job.id for job in jobs], unicode=unicode),
        "STATUS": _Column(cells=lambda _: statuses, widths=(min(max([9, *map(cell_len, map(str, statuses))]), 14),)),
        "PROGRESS": _Column(cells=bars, widths=(8, 24)),
        "%": plain("%", [f"{percent}%" for percent in percents], least=4),
        # What changes by the second has a width that does not.
        "LEFT": plain("LEFT", list(map(left, jobs, paces)), least=6),
        "AGE": plain("AGE", [age(job) for job in jobs], least=6),
        "%/MIN": plain("%/MIN", [_rate(pace.percent_a_minute) for pace in paces], least=6),
        "RECORDS": plain("RECORDS", [records(job) for job in jobs]),
        "REC/S": plain("REC/S", [_rate(pace.records_a_second) for pace in paces], least=7),
        "ENDS UTC": plain("ENDS UTC", [_moment(pace, now) for pace in paces], least=12),
        "TYPE": plain("TYPE", [shown(job.type or "") for job in jobs], justify="left"),
    }
    if not any(job.type for job in jobs):
        del columns["TYPE"]
    if any(messages):
        columns["MESSAGE"] = _Column(cells=lambda _: [Text(text) for text in messages], widths=(24, 48))
    return columns


def _ids(ids: Sequence[str], *, unicode: bool) -> _Column:
    """Ids, short where they must be: by their heads, or by their tails where only these tell them apart soon."""
    longest = max(map(len, ids), default=_SHORTEST_ID)
    mark = "\u2026" if unicode else ".."
    short = list(ids)
    for length in range(_SHORTEST_ID, longest):
        heads, tails = [name[:length] for name in ids], [name[-length:] for name in ids]
        if len(set(heads)) == len(ids):
            short = heads
            break
        if len(set(tails)) == len(ids):
            short = [mark + tail for tail in tails]
            break
    widths = max(map(len, short), default=_SHORTEST_ID), longest
    return _Column(cells=lambda width: [Text(name) for name in (ids if width >= longest else short)], widths=widths)


def _lags(job: Job, *, behind: Job) -> bool:
    """Whether the server told the snapshot from a copy that is not up to date."""
    one, other = job.last_progress_update_date, behind.last_progress_update_date
    return one is not None and other is not None and one < other and not job.is_terminal


def _percent(job: Job) -> int:
    return _WHOLE if job.status == JobStatus.COMPLETED else min(max(job.percentage_complete or 0, 0), _WHOLE)


def _rank(status: str) -> int:
    return _RANKS.get(str(status), 0)


def _rate(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.1" if 0 < value < 0.1 else f"{value:,.{1 if value < _WHOLE else 0}f}"  # noqa: PLR2004 - as it says


def _span(seconds: float) -> str:
    """Six characters at most, such as "4m10s"."""
    whole = max(int(seconds), 0)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{min(whole // _DAY, 9_999)}d" + (f"{whole % _DAY // _HOUR:02}h" if whole < 100 * _DAY else "")


def _moment(pace: Pace, now: datetime) -> str:
    if pace.ends is None or pace.is_nearly_done:
        return ""
    there = pace.ends.astimezone(UTC)
    return f"{there:%H:%M:%S}" if there.date() == now.astimezone(UTC).date() else f"{there:%d %b %H:%M}"


def _later(moment: datetime, seconds: float) -> datetime | None:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None
