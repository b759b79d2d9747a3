"""Run the main workflow from end to end against the embedded sandbox: `make demo`."""

import csv
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from impact_jobs import DownloadResult, Job, JobsClient
from impact_jobs.sandbox import Sandbox

REPORT = "agency_action_listing"
FOLDER = Path("demo-output")
JOB_SECONDS = 1.0
DAY_SECONDS = 86_400.0
COLUMNS = 5  # that are shown of a report
_days_later = 0.0


def main() -> None:
    """Export a report to a file, a half-year by month, and a report that has been corrected."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    today = datetime.now(UTC).date()
    month_end = today.replace(day=1) - timedelta(days=1)
    half_year_start = (month_end - timedelta(days=150)).replace(day=1)
    with Sandbox(job_seconds=JOB_SECONDS, clock=sandbox_time) as sandbox, sandbox.client() as jobs:
        print(f"A sandbox of the API runs at {sandbox.base_url}, its storage at {sandbox.storage_url}.")

        print(f"\n1. {REPORT}, {month_end.replace(day=1)} to {month_end}, in one call:")
        month = export(jobs, "month.csv", start_date=month_end.replace(day=1), end_date=month_end)
        show_head(month)

        print(f"\n2. {half_year_start} to {month_end}, by month, joined in one file:")
        joined = export(
            jobs, "half-year.csv", start_date=half_year_start, end_date=month_end, split="month", join=True
        )
        whole = export(jobs, "half-year-at-once.csv", start_date=half_year_start, end_date=month_end)
        is_equal = joined.path.read_bytes() == whole.path.read_bytes()
        print(f"   exports so far: {len(sandbox.exports)}; equal to the same range in one export: {is_equal}")

        print("\n3. Ten days later, some actions have been corrected:")
        before = read_rows(month)
        global _days_later  # noqa: PLW0603 - the clock of the sandbox
        _days_later = 10.0
        again = export(
            jobs,
            "month.csv",
            start_date=month_end.replace(day=1),
            end_date=month_end,
            max_age=timedelta(0),
            overwrite=True,
        )
        changed = [(old, new) for old, new in zip(before, read_rows(again), strict=True) if old != new]
        print(f"   replayed: {again.fresh}, the same bytes: {again.unchanged}, corrected rows: {len(changed)}")
        for old, new in changed[:2]:
            show_correction(old, new)

        redirects = [request for request in sandbox.requests if request.origin == "storage"]
        with_credentials = sum("authorization" in request.headers for request in redirects)
        print(f"\n{len(redirects)} requests went to the storage, {with_credentials} of them with credentials.")
    if not is_equal or not changed or with_credentials:
        sys.exit("This is not as it should be: please report it.")


def sandbox_time() -> float:
    """Return the time of the sandbox, which can be some days ahead."""
    return time.time() + _days_later * DAY_SECONDS


def export(jobs: JobsClient, name: str, **options: object) -> DownloadResult:
    """Export the report to a file, with a line for every state of a job."""
    started = time.monotonic()
    states: dict[str, str] = {}

    def show(job: Job) -> None:
        if states.get(job.id) != job.status:
            states[job.id] = str(job.status)
            print(f"   {time.monotonic() - started:4.1f} s  job {job.id} is {job.status}")

    result = jobs.export_and_download(REPORT, FOLDER / name, on_update=show, **options)
    print(f"   {result.path}: {result.rows:,} rows, {result.bytes_written:,} bytes, sha256 {result.sha256}")
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
    changes = [f"{name} {old[name]!r} -> {new[name]!r}" for name in old if old[name] != new[name]]
    print(f"   | {next(iter(old.values()))}: {', '.join(changes)}")


if __name__ == "__main__":
    main()
