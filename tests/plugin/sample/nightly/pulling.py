"""Downloads the results of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from impact_jobs import AsyncJobsClient, DownloadResult, JobFailedError, JobsClient, JobsError, RateLimitError


@dataclass(frozen=True)
class Pulled:
    """Files and problems, by job id."""

    files: dict[str, Path] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def pull(job_ids: Iterable[str], folder: Path, *, timeout: float = 4 * 3600) -> Pulled:
    """Download every result. Replay a failed job once; report other problems and continue."""
    pulled = Pulled()
    with JobsClient.from_env() as jobs:
        for job_id in job_ids:
            try:
                pulled.files[job_id] = _fetch(jobs, job_id, folder / f"{job_id}.csv", timeout).path
            except RateLimitError:
                raise  # it affects every job
            except JobsError as error:
                pulled.problems[job_id] = f"{type(error).__name__}: {error}"
    return pulled


def _fetch(jobs: JobsClient, job_id: str, target: Path, timeout: float) -> DownloadResult:
    try:
        return jobs.wait_and_download(job_id, target, timeout=timeout)
    except JobFailedError:
        fresh = jobs.replay_if_replayable(job_id)
        if fresh is None:
            raise
        return jobs.wait_and_download(fresh, target, timeout=timeout)


async def unfinished(jobs: AsyncJobsClient) -> list[str]:
    """Return the ids of the jobs that have not ended."""
    return [job.id async for job in jobs.list() if not job.is_terminal]
