"""Run the main workflow from end to end against the embedded sandbox: `make demo`."""

import hashlib
import sys
import time
from pathlib import Path

import httpx
from impact_jobs import DownloadResult, Job, JobsClient
from impact_jobs.sandbox import Sandbox

RESULT_BYTES = 50_000_000
JOB_SECONDS = 4.0
FOLDER = Path("demo-output")
_WIDTH = 30


def main() -> None:
    """Schedule a report, wait, download, verify, replay, download again."""
    FOLDER.mkdir(exist_ok=True)
    with Sandbox(job_seconds=JOB_SECONDS, result_bytes=RESULT_BYTES) as sandbox, sandbox.client() as jobs:
        print(f"A sandbox of the Jobs API runs at {sandbox.base_url}, its storage at {sandbox.storage_url}.")
        queued_uri = schedule_report(sandbox)
        print(f"\n1. Scheduled a report: {queued_uri}")
        first = fetch(jobs, queued_uri, "report.csv")
        verify(first, sandbox)

        fresh = jobs.replay(first.job_id)
        print(f"\n2. Replayed it for fresh data, as a new job: {fresh.id}")
        second = fetch(jobs, fresh.id, "report-replayed.csv")
        verify(second, sandbox)

        redirects = sum(request.origin == "storage" for request in sandbox.requests)
        with_credentials = sum(
            request.origin == "storage" and "authorization" in request.headers for request in sandbox.requests
        )
        print(f"\n{redirects} signed links were followed to the storage, {with_credentials} of them with credentials.")
    print("The files are:")
    for result in (first, second):
        print(f"  {result.path.resolve()}  {result.bytes_written:,} bytes  sha256 {result.sha256}")


def schedule_report(sandbox: Sandbox) -> str:
    """Request a report, as your other code may do, and return the `QueuedUri` of its job."""
    answer = httpx.get(
        f"{sandbox.base_url}/Agencies/{sandbox.account_sid}/ReportExport/agency_action_listing",
        params={"START_DATE": "2026-05-01", "END_DATE": "2026-05-31", "ResultFormat": "CSV"},
        auth=(sandbox.account_sid, sandbox.auth_token),
        headers={"Accept": "application/json"},
    )
    uri: str = answer.raise_for_status().json()["QueuedUri"]
    return uri


def fetch(jobs: JobsClient, job: str, name: str) -> DownloadResult:
    """Wait for a job and download its result, with a progress bar for each."""
    started = time.monotonic()

    def show_waiting(snapshot: Job) -> None:
        bar("waiting", (snapshot.percentage_complete or 0) / 100, str(snapshot.status))

    def show_download(done: int, total: int | None) -> None:
        if done == 0:
            sys.stderr.write("\n")
        bar("downloading", done / (total or done or 1), f"{done / 1e6:.1f} MB")

    result = jobs.wait_and_download(
        job, FOLDER / name, overwrite=True, on_update=show_waiting, on_progress=show_download
    )
    sys.stderr.write("\n")
    print(
        f"   {result.bytes_written:,} bytes, {time.monotonic() - started:.1f} s in total, "
        f"{result.bytes_written / result.seconds / 1e6:,.0f} MB/s"
    )
    return result


def bar(label: str, share: float, text: str) -> None:
    """Draw a progress bar on stderr; if that is not a terminal, draw only the full bar."""
    full = int(share * _WIDTH)
    line = f"   {label:<12}[{'#' * full}{'.' * (_WIDTH - full)}] {text:<12}"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}")
    elif share == 1.0:
        sys.stderr.write(line.rstrip())


def verify(result: DownloadResult, sandbox: Sandbox) -> None:
    """Compare the file on disk with the result in the sandbox."""
    with result.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest == result.sha256 == sandbox.result(result.job_id).sha256:
        sys.exit(f"{result.path} is not what the sandbox sent: please report this.")
    print(f"   verified: sha256 {digest[:16]}… is what the sandbox sent")


if __name__ == "__main__":
    main()
