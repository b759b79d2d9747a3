"""Jobs for people: a table that fits the terminal, with ids that can be copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from impact_jobs import DownloadResult, Job
from impact_jobs.cli.output import has_unicode, job_object, shown, visible

_STYLES: Final = {
    "QUEUED": "dim",
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "CANCELLED": "yellow",
    "ERROR": "red",
    "FAILED": "red",
}
_NARROW = 58
_GAP = 2
_LEAST_MESSAGE = 16


def age(job: Job, now: datetime) -> str:
    """How long ago the job was created, such as "3h"; "" where that is not known."""
    return "" if job.created_date is None else span(now - job.created_date)


def span(length: timedelta) -> str:
    """A length in its largest unit: "42s", "17m", "3h", "12d"."""
    seconds = max(int(length.total_seconds()), 0)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * unit:  # below, the smaller unit says more: 36h
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def size(count: int) -> str:
    """Bytes as people read them: "900 B", "52.4 MB"."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - as the units are named
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def status_text(job: Job) -> Text:
    """The status in its colour."""
    return Text(shown(job.status), style=style_of(job))


def style_of(job: Job) -> str:
    """The colour of its status; "" for one that is newer than this release."""
    return _STYLES.get(str(job.status), "")


def coloured(line: str, job: Job) -> str:
    """A line of `job_line` with the status in its colour, even where no terminal is."""
    head, status, rest = line.split("\t", 2)
    return "\t".join((head, Style.parse(style_of(job)).render(status), rest))


def print_jobs(console: Console, jobs: Sequence[Job], *, now: datetime) -> None:
    """Print jobs as a table, or two lines each where the terminal is narrow."""
    if console.width < _NARROW:
        for job in jobs:
            console.print(Text(shown(job.id)), soft_wrap=True)
            facts = (_progress(job), age(job, now), shown(job.type or ""))
            line = Text.assemble("  ", status_text(job), *(f" {fact}" for fact in facts if fact))
            console.print(fitted(line, console.width, unicode=has_unicode(console)), soft_wrap=True)
    elif jobs:
        console.print(_table(jobs, now=now, console=console))


def print_job(console: Console, job: Job) -> None:
    """Print all that is known of a job, a line each."""
    facts = {name: value for name, value in job_object(job).items() if value is not None}
    longest = max(map(len, facts))
    for name, value in facts.items():
        text = status_text(job) if name == "status" else Text(_plain(value))
        console.print(Text.assemble((f"{name.replace('_', ' '):<{longest}}", "dim"), "  ", text), soft_wrap=True)


def print_job_briefly(console: Console, job: Job) -> None:
    """Print a job on one line."""
    began, ended = job.created_date, job.completed_date
    took = f"after {span(ended - began)}" if began and ended else ""
    records = f"{_records(job)} records" if job.records_processed is not None and job.is_terminal else ""
    facts = joined([records, took])
    line = Text.assemble(shown(job.id), "  ", status_text(job), f"  {facts}" if facts else "")
    console.print(line, soft_wrap=True)


def print_result(console: Console, result: DownloadResult) -> None:
    """Print a file on one line."""
    rate = "" if not result.connections else f"{size(int(result.bytes_written / max(result.seconds, 0.001)))}/s"
    resumed = f"the first {size(result.resumed_from)} were there" if result.connections and result.resumed_from else ""
    facts = joined([size(result.bytes_written), resumed or rate, "" if result.connections else "it was there"])
    console.print(Text.assemble(visible(result.path), (f"  {facts}", "dim")), soft_wrap=True)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat(sep=" ") if isinstance(value, datetime) else shown(value)


def _table(jobs: Sequence[Job], *, now: datetime, console: Console) -> Table:
    # In the order shown, with the rank in which they get room.
    columns: tuple[tuple[str, int, Callable[[Job], Text]], ...] = (
        ("ID", 0, lambda job: Text(shown(job.id))),
        ("STATUS", 1, status_text),
        ("%", 2, lambda job: Text(_progress(job), justify="right")),
        ("AGE", 3, lambda job: Text(age(job, now), justify="right")),
        ("RECORDS", 5, lambda job: Text(_records(job), justify="right")),
        ("TYPE", 4, lambda job: Text(shown(job.type or ""))),
        ("MESSAGE", 6, lambda job: Text(shown(job.status_message or ""))),
    )
    cells = {title: [cell(job) for job in jobs] for title, _, cell in columns}
    widths = _fitting({title: cells[title] for title, _, _ in sorted(columns, key=lambda each: each[1])}, console.width)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    chosen = [title for title, _, _ in columns if title in widths]
    for title in chosen:
        is_number = title in {"%", "AGE", "RECORDS"}
        table.add_column(title, width=widths[title], no_wrap=True, justify="right" if is_number else "left")
    for row in zip(*(cells[title] for title in chosen), strict=True):
        widest = zip(row, map(widths.__getitem__, chosen), strict=True)
        table.add_row(*(fitted(text, width, unicode=has_unicode(console)) for text, width in widest))
    return table


def _fitting(cells: dict[str, list[Text]], room: int) -> dict[str, int]:
    """The widths of the columns that fit, the most important first; the last one takes what is left."""
    widths: dict[str, int] = {}
    for title, texts in cells.items():
        wanted = max([len(title), *(text.cell_len for text in texts)])
        left = room - sum(widths.values()) - _GAP * len(widths)
        if title == "MESSAGE" and (left < _LEAST_MESSAGE or not any(texts)):
            continue
        if title == "ID" or wanted <= left or title == "MESSAGE":
            widths[title] = min(wanted, left) if title != "ID" else wanted
    return widths


def fitted(text: Text, width: int, *, unicode: bool) -> Text:
    """`text` itself, made to be no wider than that, and ASCII where there is no more."""
    if not unicode:
        text.plain = text.plain.encode("ascii", "replace").decode()  # as many characters, so that the styles stay
    text.truncate(width, overflow="ellipsis" if unicode else "crop")
    return text


def _progress(job: Job) -> str:
    return "" if job.percentage_complete is None else f"{job.percentage_complete}%"


def _records(job: Job) -> str:
    return "" if job.records_processed is None else f"{job.records_processed:,}"


def bar(share: float, width: int, *, unicode: bool, style: str | None = None) -> Text:
    """A bar that is full only when `share` is 1, for a full one says that all is done."""
    full, empty = ("\u2501", "\u2500") if unicode else ("#", "-")
    done = int(min(max(share, 0.0), 1.0) * width)
    return Text.assemble((full * done, style or ("green" if share >= 1 else "cyan")), (empty * (width - done), "dim"))


def joined(facts: Iterable[str]) -> str:
    """Those that are not empty, in one line."""
    return ", ".join(filter(None, facts))
