"""The progress of a wait or a download on stderr: a bar on a terminal, else lines at a moderate rate."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from attrs import Factory, define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from impact_jobs import Job
from impact_jobs.cli.formatting import Bar, joined, size, span, status_text
from impact_jobs.cli.output import is_live, note, one_line
from impact_jobs.cli.state import CliState

INTERVAL_SECONDS = 30.0
_FRAMES_PER_SECOND = 8
_NARROW_COLUMNS = 60
_MAX_BAR_COLUMNS = 40
_MARGIN_COLUMNS = 5  # two gaps, and room for the ^C that a terminal echoes


@define
class ProgressLines:
    """Writes a line at once if a status changes, and at most every half minute for other progress."""

    write: Callable[[str], object]
    now: Callable[[], float] = time.monotonic
    _statuses: dict[str, str] = field(factory=dict)
    _written_at: dict[str, float] = field(factory=dict)
    _first: tuple[float, int] | None = None

    def on_job(self, job: Job) -> None:
        """Show a snapshot of a job that is waited for."""
        has_changed = self._statuses.get(job.id) != job.status
        self._statuses[job.id] = str(job.status)
        if has_changed or self._is_due(job.id):
            self._written_at[job.id] = self.now()
            percent = f"{job.percentage_complete}%" if job.percentage_complete and not job.is_terminal else ""
            self.write(f"{one_line(job.id)}: {joined([one_line(job.status), percent])}")

    def on_bytes(self, done: int, total: int | None) -> None:
        """Show how much of a result has arrived."""
        if self._first is None:
            self._first = self.now(), done
            self._written_at["bytes"] = self.now()
        elif done != total and self._is_due("bytes"):
            self._written_at["bytes"] = self.now()
            self.write(joined(_byte_facts(done, total, _rate(self._first, done, self.now()))))

    def paused(self) -> AbstractContextManager[object]:
        """Do nothing, because lines do not get in the way."""
        return nullcontext()

    def _is_due(self, what: str) -> bool:
        return self.now() >= self._written_at.get(what, 0.0) + INTERVAL_SECONDS


@define
class LiveProgress:
    """Redraws one line: the jobs that are waited for, or the bytes that arrive."""

    _console: Console
    _files: FileCounter | None = field(default=None, alias="files")  # type checkers keep the underscore
    _now: Callable[[], float] = time.monotonic
    _lock: Lock = field(factory=Lock)
    _started_at: float = field(default=Factory(lambda self: self._now(), takes_self=True), init=False)
    _jobs: dict[str, Job] = field(factory=dict)
    _first: tuple[float, int] | None = None
    _bytes: tuple[int, int | None] | None = None
    _live: Live | None = None

    def start(self) -> None:
        """Draw the line, and redraw it until `close`."""
        # A new display each time, because an old one would erase lines that were written meanwhile.
        self._live = Live(
            self,
            console=self._console,
            transient=True,
            refresh_per_second=_FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def close(self) -> None:
        """Erase the line."""
        if self._live is not None:
            self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to stdout within the block."""
        self.close()
        try:
            yield
        finally:
            self.start()

    def on_job(self, job: Job) -> None:
        """Show a snapshot of a job that is waited for."""
        with self._lock:
            self._jobs[job.id] = job

    def on_bytes(self, done: int, total: int | None) -> None:
        """Show how much of a result has arrived."""
        if self._first is None or done < self._first[1]:  # the next file
            self._first = self._now(), done
        self._bytes = done, total

    def __rich__(self) -> Table:
        label, share, facts = self._describe_download() if self._bytes else self._describe_wait()
        if self._console.width < _NARROW_COLUMNS:
            facts = facts[:-1] or facts
        text = joined(facts)
        room = self._console.width - label.cell_len - len(text) - _MARGIN_COLUMNS
        row = Table.grid(padding=(0, 1, 0, 0))
        if room > 0:
            row.add_column()
            row.add_column(width=min(room, _MAX_BAR_COLUMNS))
            row.add_row(label, Bar(share, "green" if share == 1 else "cyan"), text)
        else:
            row.add_column(no_wrap=True, overflow="crop")
            row.add_row(Text.assemble(label, " ", text))
        return row

    def _describe_download(self) -> tuple[Text, float, list[str]]:
        done, total = self._bytes or (0, None)
        rate = _rate(self._first, done, self._now())
        return Text("downloading"), done / total if total else 0.0, _byte_facts(done, total, rate)

    def _describe_wait(self) -> tuple[Text, float, list[str]]:
        with self._lock:
            jobs = list(self._jobs.values())
        waited = f"{span(timedelta(seconds=self._now() - self._started_at))} waited"
        ended = sum(job.is_terminal for job in jobs)
        if self._files is not None:
            done, total = self._files.count(), len(self._files.ids)
            return Text("fetching"), done / (total or 1), [f"{done} of {total} files", f"{ended} jobs ended", waited]
        if not jobs:
            return Text("polling"), 0.0, [waited]
        if len(jobs) == 1:
            (job,) = jobs
            percent = min(max(job.percentage_complete or 0, 0), 100)
            return status_text(job), percent / 100, [f"{percent}%", waited]
        percents = [100 if job.is_terminal else job.percentage_complete or 0 for job in jobs]
        return Text("waiting"), sum(percents) / len(jobs) / 100, [f"{ended} of {len(jobs)} ended", waited]


Progress: TypeAlias = ProgressLines | LiveProgress


@define
class FileCounter:
    """Counts the complete files in a folder, by their names or by the manifest; it reads the folder once a second."""

    folder: Path
    ids: Collection[str]
    is_listed: bool = False  # in the manifest; otherwise each file is named after its job's id
    now: Callable[[], float] = time.monotonic
    _count: int = 0
    _read_at: float = -1.0

    def count(self) -> int:
        """Return how many there are."""
        if self.now() >= self._read_at + 1.0:
            wanted = {name.lower() for name in self.ids}
            with suppress(OSError):
                self._count = len(wanted & set(self._listed() if self.is_listed else self._named()))
            self._read_at = self.now()
        return self._count

    def _named(self) -> Iterator[str]:
        for name in os.listdir(self.folder):  # noqa: PTH208 - faster
            if ".part" not in name:
                yield name.lower().partition(".")[0]

    def _listed(self) -> Iterator[str]:
        with (self.folder / "manifest.jsonl").open("rb") as file:
            for line in file:
                with suppress(ValueError, AttributeError):  # a torn line
                    yield str(json.loads(line).get("job"))


@contextmanager
def progress_on(state: CliState, *, files: FileCounter | None = None, quiet: bool = False) -> Iterator[Progress]:
    """Show progress on stderr: a bar if that is a terminal, else lines; nothing if `--quiet` was given."""
    if state.quiet or quiet:
        yield ProgressLines(lambda _: None)
    elif not is_live(state.err):
        yield ProgressLines(lambda line: note(state.err, line))
    else:
        with closing(LiveProgress(state.err, files=files)) as progress:
            progress.start()
            yield progress


def _byte_facts(done: int, total: int | None, rate: float | None) -> list[str]:
    amount = f"{size(done)} of {size(total)}" if total else size(done)
    left = f"{span(timedelta(seconds=(total - done) / rate))} left" if total and rate else ""
    return [amount, f"{size(int(rate))}/s" if rate else "", left]


def _rate(first: tuple[float, int] | None, done: int, now: float) -> float | None:
    """Return bytes per second since the first report of this run."""
    if first is None or now <= first[0] or done <= first[1]:
        return None
    return (done - first[1]) / (now - first[0])
