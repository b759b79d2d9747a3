"""Save the result of a job that another scheduler, such as Airflow, has waited for, as a file of a plan."""

from __future__ import annotations

from attrs import define, evolve, field

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get
from impact_jobs._download.export_journal import WindowState
from impact_jobs._download.filesystem import status_of_regular
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.download import wait_and_save
from impact_jobs._operations.planned_files.tasks import PlannedTasks, Site
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._operations.windows.exports import WindowExports
from impact_jobs._operations.windows.files import WindowFiles
from impact_jobs._transport.clock import utc
from impact_jobs.errors import JobsError, ResultNotReadyError
from impact_jobs.models import DownloadResult, Job, JobStatus


@define(eq=False)
class _NoJournal:
    """A journal that is not kept: the scheduler knows the job, and calls again if it has to."""

    states: dict[str, WindowState] = field(factory=dict)

    def record(self, key: str, state: WindowState) -> None:
        self.states[key] = state


async def save_planned_file(
    context: ClientContext, file: PlannedFile, reference: JobReference, *, timeout: float = 600.0
) -> DownloadResult:
    """Save the result of a completed job as a file of a plan; see `impact_jobs.toolkit.save_planned_file`."""
    is_known = isinstance(reference, Job) and reference.completed_date is not None  # the answer to an export lacks it
    job = reference if isinstance(reference, Job) and is_known else await get(context, reference)
    if job.status != JobStatus.COMPLETED:
        raise context.job_failed(job) if context.is_final(job) else ResultNotReadyError(job)
    tasks, now = PlannedTasks(context=context, now=utc()), context.transport.now()
    is_ours = await context.transport.run(lambda: _is_of_job(file, job))
    work = file.path.with_name(f".{file.path.name}.{job.id}.csv")
    step = FileStep(file=file, action=FileAction.DOWNLOAD, job_id=job.id)
    task = await tasks.create(step, Site(journal=_NoJournal(), work=work, is_ours=is_ours))
    exports = WindowExports(context=context, tasks=[task], deadline=now, is_plan=True)
    files = WindowFiles(
        context=context,
        exports=exports,
        options=DownloadOptions(),
        polling=None,
        on_complete=tasks.manifests.record,
    )

    async def save(job: Job) -> DownloadResult:
        outcome = await files.save_once(task, job)
        if isinstance(outcome, JobsError):
            raise outcome
        return outcome

    result = await wait_and_save(context, job, save, timeout=timeout, polling=None, on_update=None)
    return tasks.compared(file, evolve(result, seconds=context.transport.now() - now))


def _is_of_job(file: PlannedFile, job: Job) -> bool:
    """Return whether a file has the time at which the job completed, as this module and runs of the plan write it."""
    found, completed = status_of_regular(file.path), job.completed_date
    return found is not None and completed is not None and found.st_mtime == completed.timestamp()
