"""A typed program that a user wrote for yesterday's generated package: it has to type-check and run with any other.

It runs with that package on the path, and imports nothing else of the tests. Its arguments are those of `day`.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import Any
from uuid import UUID

from impact_agency_api import AuthenticatedClient
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode, Job, JobStatus, JobType
from impact_agency_api.types import UNSET, File, Unset

FOUND, ACCEPTED = 302, 202


def identity(job: Job) -> UUID:
    """Return the job's id, which may be passed to any operation."""
    if isinstance(job.id, Unset):
        raise TypeError("the job has no id")
    return job.id


def is_complete(job: Job) -> bool:
    """Return whether the job has ended well."""
    return job.status is JobStatus.COMPLETED


def kind(job: Job) -> str:
    """Return the name of the work."""
    match job.type_:
        case JobType.APIREPORT | JobType.DOWNLOADREPORT:
            return "report"
        case JobType.UPLOADADS | JobType.TERMMODIFICATION:
            return "bulk"
        case str() as other:
            return other
        case _:
            return ""


def progress(job: Job) -> tuple[int | str | Unset, int | str | Unset]:
    """Return the numbers, in either form."""
    return job.percentage_complete, job.records_processed


def moments(job: Job) -> list[dt.datetime | str | Unset | None]:
    """Return the dates, in any form."""
    ends = [job.completed_date, job.abandoned_date, job.cancelled_date, job.failed_date]
    return [job.created_date, job.started_date, job.last_progress_update_date, *ends]


def texts(job: Job) -> list[str | Unset]:
    """Return the texts."""
    return [job.created_by, job.status_message, job.result_uri]


def flags(job: Job) -> tuple[bool | str | Unset, int | str | Unset, dict[str, Any]]:
    """Return what else there is."""
    return job.replayable, job.program_id, job.additional_properties


def made_up() -> Job:
    """Return a job for a test of the program."""
    job = Job(
        id=UUID(int=1), type_="ClickExport", status=JobStatus.CANCELLED, program_id="7", status_message="Stopped.",
        records_processed="12", percentage_complete=50, replayable="true", created_date="", started_date=None,
    )  # fmt: skip
    job.status = "PAUSED"
    return job


ENDED = {JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.ERROR, JobStatus.FAILED}
UNDER_WAY = {JobStatus.QUEUED, JobStatus.RUNNING}


def require(found: object, reason: str) -> None:
    """Stop the program if something is missing."""
    if not found:
        raise ValueError(reason)


def run(client: AuthenticatedClient, account: str, jobs: dict[str, str]) -> None:
    """Call each operation as the documentation of the package says."""
    lists(client, account, jobs)
    gets(client, account, UUID(jobs["completed"]))
    downloads(client, account, UUID(jobs["completed"]), UUID(jobs["running"]))
    again = replay_job.sync(account_sid=account, job_id=UUID(jobs["completed"]), client=client)
    if again is None:
        raise TypeError("there is no new job")
    require(identity(again) != UUID(jobs["completed"]), "the new job is the old one")
    require(made_up().status not in ENDED | UNDER_WAY and Job(type_=JobType.APIREPORT), "the made-up job is no job")


def lists(client: AuthenticatedClient, account: str, jobs: dict[str, str]) -> None:
    """List the jobs of some days, and all jobs."""
    window = list_jobs.sync(
        account_sid=account,
        client=client,
        created_after=dt.date(2026, 5, 10),
        created_before=dt.date(2026, 5, 20),
    )
    if window is None:
        raise TypeError("there is no list")
    require([identity(each) for each in window] == [UUID(jobs["old"])], "the list has other jobs")
    everything = list_jobs.sync(account, client=client)
    if everything is None:
        raise TypeError("there is no list")
    require(any(is_complete(each) for each in everything), "no job in the list has completed")


def gets(client: AuthenticatedClient, account: str, job_id: UUID) -> None:
    """Read a job, and one that does not exist."""
    job = get_job.sync(account_sid=account, job_id=job_id, client=client)
    if job is None:
        raise TypeError("there is no job")
    checked: Job = job
    require(is_complete(checked) and kind(checked) == "report" and identity(checked) == job_id, "it is another job")
    require(UNSET not in [*texts(checked), *flags(checked), *progress(checked)], "the job lacks fields")
    require(any(isinstance(each, dt.datetime) for each in moments(checked)), "the job has no dates")
    require(get_job.sync(account, UUID(int=0), client=client) is None, "an unknown job is a job")


def downloads(client: AuthenticatedClient, account: str, completed: UUID, running: UUID) -> None:
    """Download a result by its link and through the API, and ask for one that is not there yet."""
    link = download_job_result.sync_detailed(account, completed, client=client)
    require(link.status_code == FOUND and link.headers["Location"], "the result has no link")
    file = download_job_result.sync(account, completed, client=client, mode=DownloadJobResultMode.STREAM)
    if not isinstance(file, File):
        raise TypeError("the result is no file")
    require(file.payload.read(), "the result is empty")
    later = download_job_result.sync_detailed(account, running, client=client)
    require(later.status_code == ACCEPTED and isinstance(later.parsed, Job), "a running job is not recognised")


def main() -> None:
    """Run the program against a server, and write its failure, if any."""
    server = json.load(sys.stdin)
    client = AuthenticatedClient(
        base_url=server["base_url"], token=server["basic"], prefix="Basic", headers={"Accept": "application/json"}
    )
    run(client, server["account_sid"], server["jobs"])


if __name__ == "__main__":
    main()
