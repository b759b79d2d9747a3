"""Run the main workflow from end to end against the embedded sandbox: `make demo`."""

import csv
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from impact_jobs import DownloadResult, ExportWindow, Job, JobsClient
from impact_jobs.sandbox import Sandbox

REPORT = "agency_action_listing"
FOLDER = Path("demo-output")
JOB_SECONDS = 0.5
DAY_SECONDS = 86_400.0
COLUMNS = 5  # that are shown of a report
_days_later = 0.0


def main() -> None:
    """Export a report to a file, by month, and again once it has been corrected."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    half_year = {"start_date": (yesterday - timedelta(days=150)).replace(day=1), "end_date": yesterday}
    with Sandbox(job_seconds=JOB_SECONDS, clock=sandbox_time) as sandbox, sandbox.client() as jobs:
        print(f"A sandbox of the API runs at {sandbox.base_url}, its storage at {sandbox.storage_url}.")

        print("\n1. From the name of a report to a file, in one call:")
        first = export(jobs, "half-year.csv", **half_year)
        show_head(first)

        print("\n2. The same by month, joined in one file:")
        joined = export(jobs, "by-month.csv", **half_year, split="month", join=True)
        is_equal = joined.sha256 == first.sha256
        print(f"   The bytes are {'the same' if is_equal else 'OTHERS'}.")

        print("\n3. The same ten days later, because actions are corrected for some weeks:")
        before = read_rows(first)
        global _days_later  # noqa: PLW0603 - the clock of the sandbox
        _days_later = 10.0
        again = export(jobs, "half-year.csv", **half_year, max_age=timedelta(0), overwrite=True)
        changes = [(old, new) for old, new in zip(before, read_rows(again), strict=True) if old != new]
        print(f"   The job was replayed: {len(changes)} of {len(before):,} rows are new, such as")
        for old, new in changes[:3]:
            show_correction(old, new)

        redirects = [request for request in sandbox.requests if request.origin == "storage"]
        with_credentials = sum("authorization" in request.headers for request in redirects)
        print(f"\n{len(redirects)} requests went to the storage, {with_credentials} of them with credentials.")
    if not (is_equal and changes and again.fresh) or with_credentials:
        sys.exit("This is not as it should be: please report it.")


def sandbox_time() -> float:
    """Return the time of the sandbox, which can be some days ahead."""
    return time.time() + _days_later * DAY_SECONDS


def export(jobs: JobsClient, name: str, **options: Any) -> DownloadResult:  # noqa: ANN401 - those of the client
    """Export the report to a file, with a line for every state of its job, or for every window."""
    started = time.monotonic()
    states: dict[str, str] = {}

    def note(text: str) -> None:
        print(f"   {time.monotonic() - started:4.1f} s  {text}")

    def show_job(job: Job) -> None:
        if "split" not in options and states.get(job.id) != job.status:
            states[job.id] = str(job.status)
            note(f"job {job.id} is {job.status}")

    def show_window(window: ExportWindow, news: object) -> None:
        if isinstance(news, DownloadResult):
            note(f"{window}: {news.rows:,} rows of job {news.job_id}")

    result: DownloadResult = jobs.export_and_download(
        REPORT, FOLDER / name, on_update=show_job, on_window=show_window, **options
    )
    print(
        f"   {result.path}: {result.rows:,} rows, {result.bytes_written:,} bytes, sha256 {(result.sha256 or '')[:16]}…"
    )
    return result


def read_rows(result: DownloadResult) -> list[dict[str, str]]:
    """Return the rows of a file."""
    with result.path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def show_head(result: DownloadResult) -> None:
    """Show the first columns of a few rows."""
    rows = read_rows(result)
    for values in (list(rows[0]), *(list(row.values()) for row in rows[:3])):
        print("   | " + "  ".join(f"{value:<20.20}" for value in values[:COLUMNS]).rstrip())


def show_correction(old: dict[str, str], new: dict[str, str]) -> None:
    """Show what has changed in a row."""
    changes = [f"{name} {old[name] or '(empty)'} -> {new[name]}" for name in old if old[name] != new[name]]
    print(f"   | {next(iter(old.values()))}: {', '.join(changes)}")


if __name__ == "__main__":
    main()
