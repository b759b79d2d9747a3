"""What a run of a plan would do, and what it would take of the limits, without an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, evolve, field, frozen

from impact_jobs._api.context import ClientContext
from impact_jobs._operations.export import ExportRequest, with_filters
from impact_jobs._operations.lost_requests import jobs_since
from impact_jobs._operations.planned_files.steps import decide
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._operations.report_metadata import cached_metadata
from impact_jobs._policy.daily_exports import PERIOD
from impact_jobs._transport.clock import utc
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.async_client import AsyncJobsClient
from impact_jobs.client import JobsClient
from impact_jobs.errors import JobsError, ReportNotFoundError
from impact_jobs.sync._clients import AccountClients, async_clients, blocking_clients
from impact_jobs.sync._run import FilePlan


@frozen(kw_only=True)
class AccountPreview:
    """What a run would take of one account's limits.

    Attributes:
        account: The plan's name of the account.
        exports: How many exports and replays all files that are not up to date take.
        exports_left: How many the account has left now; None if none is needed, or they could not be counted.
        requests: About how many requests a run takes now, besides those that wait for the jobs.
        requests_left: How many the account has left in this hour, as far as this process knows.

    Example:
        >>> preview = Plan.load("reports.toml").preview()
        >>> preview.accounts[0].exports, preview.accounts[0].exports_left
        (4, 99)
    """

    account: str
    exports: int = 0
    exports_left: int | None = None
    requests: int = 0
    requests_left: int | None = None


@frozen(kw_only=True)
class SyncPreview:
    """What a run of a plan would do now.

    Attributes:
        steps: What is to be done about each file, in the order of the plan's files. A step has an error if that is
            known to fail, such as of a report that the account does not have.
        accounts: What the run would take of each account.
        left: The steps that would be left for a later run, because the account has no exports left until then.
        leftovers: As in `SyncReport`.

    Example:
        >>> preview = Plan.load("reports.toml").preview()
        >>> [step.why for step in preview.due], len(preview.left)
        (['missing', 'missing', 'missing', 'missing'], 0)
    """

    steps: tuple[FileStep, ...]
    accounts: tuple[AccountPreview, ...] = ()
    left: tuple[FileStep, ...] = ()
    leftovers: tuple[Path, ...] = ()

    @property
    def due(self) -> tuple[FileStep, ...]:
        """The steps of the files that are not up to date."""
        return tuple(step for step in self.steps if step.action is not FileAction.KEEP)

    @property
    def failed(self) -> tuple[FileStep, ...]:
        """The steps that have an error."""
        return tuple(step for step in self.steps if step.error is not None)


def plan_steps(plan: FilePlan, *, clients: Mapping[str, JobsClient] | None) -> tuple[FileStep, ...]:
    """Return what is to be done about each file, without a request; see `Plan.steps`."""
    preview = _Preview.create(plan)
    with blocking_clients(plan.accounts, clients) as opened:
        run_sync(preview.run(opened, sends_requests=False))
    return preview.result().steps


def preview_plan(plan: FilePlan, *, clients: Mapping[str, JobsClient] | None) -> SyncPreview:
    """Return what a run would do and take; see `Plan.preview`."""
    preview = _Preview.create(plan)
    with blocking_clients(plan.accounts, clients) as opened:
        run_sync(preview.run(opened))
    return preview.result()


async def preview_plan_async(plan: FilePlan, *, clients: Mapping[str, AsyncJobsClient] | None) -> SyncPreview:
    """Return what a run would do and take; see `Plan.preview_async`."""
    preview = _Preview.create(plan)
    async with async_clients(plan.accounts, clients) as opened:
        await preview.run(opened)
    return preview.result()


@define(kw_only=True, eq=False)
class _Preview:
    """Collects the steps of all accounts, each of which may be examined in a thread of its own."""

    names: tuple[str, ...]
    files: tuple[PlannedFile, ...]
    is_selection: bool
    steps: dict[PlannedFile, FileStep] = field(factory=dict, init=False)
    accounts: dict[str, AccountPreview] = field(factory=dict, init=False)
    left: set[PlannedFile] = field(factory=set, init=False)
    leftovers: tuple[Path, ...] = field(default=(), init=False)

    @classmethod
    def create(cls, plan: FilePlan) -> _Preview:
        return cls(names=plan.accounts, files=plan.files(), is_selection=plan.is_selection)

    async def run(self, clients: AccountClients, *, sends_requests: bool = True) -> None:
        for file in self.files:
            if (error := clients.errors.get(file.account)) is not None:
                self.steps[file] = FileStep(file=file, action=FileAction.EXPORT, error=error)

        async def examine(name: str, context: ClientContext) -> None:
            files = [file for file in self.files if file.account == name]
            steps = await context.transport.run(lambda: decide(context.account, files, now=utc()))
            if sends_requests:
                steps = await self._preview_account(name, context, steps)
            self.steps |= {step.file: step for step in steps}

        await clients.run_each(examine)
        if sends_requests and not self.is_selection:
            self.leftovers = await clients.leftovers(self.files)

    def result(self) -> SyncPreview:
        steps = tuple(self.steps[file] for file in self.files)
        return SyncPreview(
            steps=steps,
            accounts=tuple(self.accounts.get(name, AccountPreview(account=name)) for name in self.names),
            left=tuple(step for step in steps if step.file in self.left),
            leftovers=self.leftovers,
        )

    async def _preview_account(self, name: str, context: ClientContext, steps: list[FileStep]) -> list[FileStep]:
        exports_left = None
        if any(step.exports for step in steps):
            try:
                exports_left = await _exports_left(context)
            except JobsError as error:
                steps = [step if step.action is FileAction.KEEP else _failing(step, error) for step in steps]
        steps = await _with_reports_checked(context, steps)
        exports = sum(step.exports for step in steps)
        sent = 0
        for step in steps:
            sent += step.exports
            if step.exports and exports_left is not None and sent > exports_left:
                self.left.add(step.file)
        self.accounts[name] = AccountPreview(
            account=name,
            exports=exports,
            exports_left=exports_left,
            requests=sum(step.requests for step in steps if step.file not in self.left) + _metadata_requests(steps),
            requests_left=context.rate_limiter.left(context.transport.now()),
        )
        return steps


async def _exports_left(context: ClientContext) -> int:
    """Count the account's exports of the last day, and return how many are left."""
    jobs, _ = await jobs_since(context, utc() - PERIOD)
    context.daily_exports.on_listed(jobs)
    return context.daily_exports.left(utc())


async def _with_reports_checked(context: ClientContext, steps: Sequence[FileStep]) -> list[FileStep]:
    """Return the steps, with an error if the account lacks the report, or the report one of the plan's filters."""
    due = [step for step in steps if step.error is None and (step.action is FileAction.EXPORT or _has_filters(step))]
    errors: dict[str, JobsError] = {}
    for file in {step.file.report: step.file for step in due}.values():
        try:
            await cached_metadata(context, file.report_id)
            await with_filters(context, ExportRequest(report_id=file.report_id, result_format="CSV"), file.filters)
        except JobsError as error:
            if file.filters or isinstance(error, ReportNotFoundError):  # an export needs no metadata
                errors[file.report] = error
    failing = {step.file: errors[step.file.report] for step in due if step.file.report in errors}
    return [_failing(step, failing[step.file]) if step.file in failing else step for step in steps]


def _has_filters(step: FileStep) -> bool:
    return step.action is not FileAction.KEEP and bool(step.file.filters)


def _metadata_requests(steps: Sequence[FileStep]) -> int:
    """Return how many reports a run requests the metadata of."""
    due = [step.file for step in steps if step.action is not FileAction.KEEP and step.error is None]
    return len({file.report_id for file in due if file.filters or file.format == "parquet"})


def _failing(step: FileStep, error: JobsError) -> FileStep:
    return evolve(step, error=step.error or error)
