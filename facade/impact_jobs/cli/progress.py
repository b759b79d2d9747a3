"""What is seen of a wait or a download while it lasts: a bar on a terminal, else lines at a bearable rate."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from impact_jobs import Job
from impact_jobs.cli.output import has_unicode, is_live, note, shown
from impact_jobs.cli.state import Session
from impact_jobs.cli.tables import bar, joined, size, span, status_text

_EVERY_SECONDS = 30.0
_FRAMES_A_SECOND = 8
_NARROW = 60
_WIDEST_BAR = 40
_MARGIN = 5  # two gaps, and room for the ^C that a terminal echoes


class Progress(Protocol):
    """What a command tells while it works; from any thread, one at a time."""

    def job(self, job: Job) -> None:
        """A snapshot of a job that is waited for."""

    def bytes(self, done: int, total: int | None) -> None:
        """How much of a result has come."""

    def out_of_the_way(self) -> AbstractContextManager[object]:
        """Within: stdout may be written to, though it be the same terminal."""
        ...


class Silent:
    """Tells nothing."""

    def job(self, job: Job) -> None:
        """See `Progress`."""

    def bytes(self, done: int, total: int | None) -> None:
        """See `Progress`."""

    def out_of_the_way(self) -> AbstractContextManager[object]:
        """See `Progress`."""
        return nullcontext()


@define
class Lines:
    """Tells of a change of status at once, and of all else every half a minute.

    Args:
        tell: Writes a line.
        now: Seconds that never go back.
    """

    tell: Callable[[str], object]
    now: Callable[[], float] = time.monotonic
    _statuses: dict[str, str] = field(factory=dict)
    _told_at: dict[str, float] = field(factory=dict)
    _began: tuple[float, int] | None = None

    def job(self, job: Job) -> None:
        """See `Progress`."""
        changed = self._statuses.get(job.id) != job.status
        self._statuses[job.id] = str(job.status)
        if changed or self._is_time(job.id):
            self._told_at[job.id] = self.now()
            percent = f"{job.percentage_complete}%" if job.percentage_complete and not job.is_terminal else ""
            self.tell(f"{shown(job.id)}: {joined([shown(job.status), percent])}")

    def bytes(self, done: int, total: int | None) -> None:
        """See `Progress`."""
        if self._began is None:
            self._began = self.now(), done
            self._told_at["bytes"] = self.now()
        elif done != total and self._is_time("bytes"):
            self._told_at["bytes"] = self.now()
            self.tell(_of_bytes(done, total, _rate(self._began, done, self.now())))

    def out_of_the_way(self) -> AbstractContextManager[object]:
        """See `Progress`."""
        return nullcontext()

    def _is_time(self, what: str) -> bool:
        return self.now() >= self._told_at.get(what, 0.0) + _EVERY_SECONDS


class Bar:
    """A line that is drawn anew: the job that is waited for, or the bytes that come."""

    def __init__(
        self, console: Console, *, files: Files | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._files = files
        self._now = now
        self._lock = threading.Lock()
        self._began = now()
        self._jobs: dict[str, Job] = {}
        self._first: tuple[float, int] | None = None
        self._bytes: tuple[int, int | None] | None = None
        self._live = self._new_live()

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _new_live(self) -> Live:
        return Live(
            self,
            console=self._console,
            transient=True,
            refresh_per_second=_FRAMES_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @contextmanager
    def out_of_the_way(self) -> Iterator[None]:
        """See `Progress`."""
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._new_live()
            self._live.start(refresh=True)

    def job(self, job: Job) -> None:
        """See `Progress`."""
        with self._lock:
            self._jobs[job.id] = job

    def bytes(self, done: int, total: int | None) -> None:
        """See `Progress`."""
        if self._first is None or done < self._first[1]:  # the next file
            self._first = self._now(), done
        self._bytes = done, total

    def __rich__(self) -> Table:
        left, share, right = self._of_download() if self._bytes else self._of_wait()
        room = self._console.width
        width = min(room - left.cell_len - len(right) - _MARGIN, _WIDEST_BAR)
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(left, bar(share, max(width, 0), unicode=has_unicode(self._console)), Text(right, no_wrap=True))
        return row

    def _of_download(self) -> tuple[Text, float, str]:
        done, total = self._bytes or (0, None)
        rate = _rate(self._first, done, self._now())
        return Text("downloading"), done / total if total else 0.0, self._brief(_of_bytes(done, total, rate))

    def _of_wait(self) -> tuple[Text, float, str]:
        with self._lock:
            jobs = list(self._jobs.values())
        waited = f"{span(timedelta(seconds=self._now() - self._began))} waited"
        if self._files is not None:
            done, of = self._files.count(), len(self._files.ids)
            ended = sum(job.is_terminal for job in jobs)
            return (
                Text("fetching"),
                done / (of or 1),
                self._brief(f"{done} of {of} files, {ended} jobs ended, {waited}"),
            )
        if not jobs:
            return Text("asking"), 0.0, waited
        if len(jobs) == 1:
            (job,) = jobs
            percent = min(max(job.percentage_complete or 0, 0), 100)
            return status_text(job), percent / 100, self._brief(f"{percent}%, {waited}")
        ended = sum(job.is_terminal for job in jobs)
        share = sum((100 if job.is_terminal else job.percentage_complete or 0) for job in jobs) / 100
        return Text("waiting"), share / (len(jobs) or 1), self._brief(f"{ended} of {len(jobs)} ended, {waited}")

    def _brief(self, text: str) -> str:
        return text if self._console.width >= _NARROW else text.rpartition(", ")[0]


@define
class Files:
    """Counts the files of some jobs in a folder, where each is called by its job's id once it is whole.

    Args:
        folder: The folder, which may not be there yet.
        ids: The jobs.
        now: Seconds that never go back; it looks once a second at most.
    """

    folder: Path
    ids: Collection[str]
    now: Callable[[], float] = time.monotonic
    _count: int = 0
    _at: float = -1.0

    def count(self) -> int:
        """How many are there."""
        if self.now() >= self._at + 1.0:
            wanted = {name.lower() for name in self.ids}
            with suppress(OSError):
                names = [name for name in os.listdir(self.folder) if ".part" not in name]  # noqa: PTH208 - large
                self._count = sum(name.lower().partition(".")[0] in wanted for name in names)
            self._at = self.now()
        return self._count


@contextmanager
def shown_on(session: Session, *, files: Files | None = None, quietly: bool = False) -> Iterator[Progress]:
    """Within: a bar on stderr where that is a terminal, else lines; nothing when told to be quiet."""
    if session.quiet or quietly:
        yield Silent()
    elif not is_live(session.err):
        yield Lines(lambda line: note(session.err, line))
    else:
        with Bar(session.err, files=files) as line:
            yield line


def _of_bytes(done: int, total: int | None, rate: float | None) -> str:
    amount = f"{size(done)} of {size(total)}" if total else size(done)
    left = f"{span(timedelta(seconds=(total - done) / rate))} left" if total and rate else ""
    return joined([amount, f"{size(int(rate))}/s" if rate else "", left])


def _rate(began: tuple[float, int] | None, done: int, now: float) -> float | None:
    """Bytes a second since the first ones of this run were seen."""
    if began is None or now <= began[0] or done <= began[1]:
        return None
    return (done - began[1]) / (now - began[0])
