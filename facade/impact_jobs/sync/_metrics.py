"""The outcome of a run as a file of metrics: OpenMetrics text, which the textfile collector of node_exporter reads too.

All are gauges, without timestamps, because that collector's older format has no more in common with OpenMetrics.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from impact_jobs._transport import clock
from impact_jobs.sync._report import FileState, SyncReport

_PREFIX: Final = "impact_jobs_sync_"
_LAST_SUCCESS: Final = "last_success_timestamp_seconds"
_HELP: Final = {
    "last_run_timestamp_seconds": "When the last run ended.",
    _LAST_SUCCESS: "When a run last ended without a failure; 0 if none has. Files may have been left for the next run.",
    "success": "Whether the last run ended without a failure (1) or with one (0).",
    "duration_seconds": "How long the last run took.",
    "files": "Files of the plan, by how the last run has left them.",
    "rows": "Rows of the files that are in place.",
    "size_bytes": "Size of the files that are in place.",
    "exports": "Exports and replays that the last run sent.",
    "requests": "Requests that the last run sent to the API.",
    "leftover_files": "Files of an earlier or another plan that this one does not name.",
}
_FAILURES: Final = {FileState.FAILED, FileState.RUNNING}


@frozen
class _Sample:
    name: str
    value: float
    labels: Mapping[str, str]

    def __str__(self) -> str:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.labels.items())
        return f"{_PREFIX}{self.name}{{{labels}}} {self.value}"


def write_metrics(path: Path | str, report: SyncReport | None, *, plan: Path | str) -> None:
    """Write the outcome of a run as metrics, in OpenMetrics text.

    The file is replaced in one step. The time of the last good run is kept from the earlier file if this run has
    failed.

    Args:
        path: The file, in an existing folder. node_exporter's textfile collector reads files whose names end in
            ".prom".
        report: The outcome; None if the run has raised an error.
        plan: The plan's file, whose absolute path is a label of each metric.

    Raises:
        OSError: The file cannot be written: check its folder.

    Example:
        >>> plan = Plan.load("reports.toml")
        >>> write_metrics("reports.prom", plan.run(), plan="reports.toml")
    """
    path = Path(path)
    text = metrics_text(report, plan=str(Path(plan).absolute()), earlier=_read(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def metrics_text(report: SyncReport | None, *, plan: str, earlier: str = "") -> str:
    """Return the metrics of a run that ends now; `earlier` is the text of the run before it."""
    now = round(clock.epoch(), 3)
    is_success = report is not None and not any(file.state in _FAILURES for file in report.files)
    last_success = now if is_success else _last_success(earlier, plan)
    samples = [
        _Sample("last_run_timestamp_seconds", now, {"plan": plan}),
        _Sample(_LAST_SUCCESS, last_success, {"plan": plan}),
        _Sample("success", int(is_success), {"plan": plan}),
    ]
    if report is not None:
        samples += _details(report, plan)
    lines: list[str] = []
    for name, text in _HELP.items():
        if found := [str(sample) for sample in samples if sample.name == name]:
            lines += [f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} gauge", *found]
    return "\n".join([*lines, "# EOF", ""])


def _details(report: SyncReport, plan: str) -> Iterator[_Sample]:
    yield _Sample("duration_seconds", round(report.seconds, 3), {"plan": plan})
    yield _Sample("leftover_files", len(report.leftovers), {"plan": plan})
    for used in report.accounts:
        yield _Sample("exports", used.exports, {"plan": plan, "account": used.account})
        yield _Sample("requests", used.requests, {"plan": plan, "account": used.account})
    counts = Counter((each.file.account, each.file.report, each.state) for each in report.files)
    rows: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for each in report.files:
        key = each.file.account, each.file.report
        rows[key] += (each.result and each.result.rows) or 0
        sizes[key] += each.result.bytes_written if each.result else 0
    for account, name in rows:
        labels = {"plan": plan, "account": account, "report": name}
        # Each state, also of no file, so that an alert on one ends.
        for state in FileState:
            yield _Sample("files", counts[account, name, state], labels | {"state": str(state)})
        yield _Sample("rows", rows[account, name], labels)
        yield _Sample("size_bytes", sizes[account, name], labels)


def _last_success(earlier: str, plan: str) -> float:
    """Return the time in the metrics of an earlier run of the same plan; 0 if there is none."""
    start, _, _ = str(_Sample(_LAST_SUCCESS, 0, {"plan": plan})).rpartition(" ")
    for line in earlier.splitlines():
        name, _, value = line.rpartition(" ")
        if name == start:
            with suppress(ValueError):
                return float(value)
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
