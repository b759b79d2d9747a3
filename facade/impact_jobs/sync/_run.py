"""Run a plan: all accounts at once, and one report of what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Protocol

from attrs import define, evolve, field

from impact_jobs._api.context import ClientContext
from impact_jobs._operations.planned_files.run import RunOptions, RunOutcome, make_files
from impact_jobs._operations.planned_files.steps import decide
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._policy.polling import Polling
from impact_jobs._transport import clock
from impact_jobs._transport.run_sync import run_sync
from impact_jobs._validators import callback
from impact_jobs.async_client import AsyncJobsClient
from impact_jobs.client import JobsClient
from impact_jobs.errors import JobsError, WaitTimeoutError
from impact_jobs.models import DownloadResult, Job
from impact_jobs.sync._clients import AccountClients, async_clients, blocking_clients
from impact_jobs.sync._report import AccountUse, FileState, OnUpdate, SyncedFile, SyncReport


class FilePlan(Protocol):
    """What a run needs of a plan."""

    @property
    def accounts(self) -> tuple[str, ...]:
        """The names of the accounts."""
        ...

    @property
    def is_selection(self) -> bool:
        """Whether files of the same plan are left out."""
        ...

    def files(self) -> tuple[PlannedFile, ...]:
        """Return the files in the order in which the limits are spent."""
        ...


def run_plan(
    plan: FilePlan,
    *,
    timeout: float | None,
    polling: Polling | None,
    clients: Mapping[str, JobsClient] | None,
    on_update: OnUpdate | None,
) -> SyncReport:
    """Bring the files of a plan up to date; see `Plan.run`."""
    run = _PlanRun.create(plan, timeout=timeout, polling=polling, on_update=on_update)
    with blocking_clients(plan.accounts, clients) as opened:
        return run_sync(run.run(opened))


async def run_plan_async(
    plan: FilePlan,
    *,
    timeout: float | None,
    polling: Polling | None,
    clients: Mapping[str, AsyncJobsClient] | None,
    on_update: OnUpdate | None,
) -> SyncReport:
    """Bring the files of a plan up to date; see `Plan.run_async`."""
    run = _PlanRun.create(plan, timeout=timeout, polling=polling, on_update=on_update)
    async with async_clients(plan.accounts, clients) as opened:
        return await run.run(opened)


@define(kw_only=True, eq=False)
class _PlanRun:
    """One run of a plan. Accounts may run in threads of their own."""

    accounts: tuple[str, ...]
    files: tuple[PlannedFile, ...]
    is_selection: bool
    options: RunOptions
    on_update: OnUpdate | None = field(validator=callback)
    outcomes: dict[str, RunOutcome] = field(factory=dict, init=False)
    made: int = field(default=0, init=False)
    raised: BaseException | None = field(default=None, init=False)  # by the caller's function
    _lock: Lock = field(factory=Lock, init=False)

    @classmethod
    def create(
        cls, plan: FilePlan, *, timeout: float | None, polling: Polling | None, on_update: OnUpdate | None
    ) -> _PlanRun:
        return cls(
            accounts=plan.accounts,
            files=plan.files(),
            is_selection=plan.is_selection,
            options=RunOptions(timeout=timeout, polling=polling),
            on_update=on_update,
        )

    async def run(self, clients: AccountClients) -> SyncReport:
        started = clock.now()
        try:
            for name, error in clients.errors.items():
                steps = [FileStep(file=file, action=FileAction.EXPORT) for file in self._files_of(name)]
                self._fail(name, error, steps)
            await clients.run_each(self._run_account)
        except BaseException as error:
            if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
                error.add_note(
                    f"{self.made} of {len(self.files)} files were made, and jobs continue on the server: "
                    "run the plan again to go on"
                )
            raise
        files = {synced.file: synced for name in self.accounts for synced in self._synced(name)}
        return SyncReport(
            files=tuple(files[file] for file in self.files),
            accounts=tuple(map(self._use, self.accounts)),
            leftovers=() if self.is_selection else await clients.leftovers(self.files),
            seconds=clock.now() - started,
        )

    def _files_of(self, account: str) -> list[PlannedFile]:
        return [file for file in self.files if file.account == account]

    async def _run_account(self, name: str, context: ClientContext) -> None:
        files, options = self._files_of(name), evolve(self.options, on_news=self._on_news)
        if not files:
            return
        try:
            self.outcomes[name] = await make_files(context, files, options)
        except JobsError as error:
            if error is self.raised:
                raise
            failure = error
        else:
            return
        self._fail(name, failure, await context.transport.run(lambda: decide(context.account, files, now=clock.utc())))

    def _fail(self, name: str, error: JobsError, steps: Sequence[FileStep]) -> None:
        """Give all files of an account that are not up to date the same error."""
        due = [step.file for step in steps if step.action is not FileAction.KEEP]
        self.outcomes[name] = RunOutcome(steps=tuple(steps), outcomes=dict.fromkeys(due, error))
        for file in due:
            self._on_news(file, error)

    def _on_news(self, file: PlannedFile, news: Job | DownloadResult | JobsError) -> None:
        with self._lock:
            if self.raised is not None:  # it may have been taken for the error of a file
                raise self.raised
            self.made += isinstance(news, DownloadResult)
            if self.on_update is None:
                return
            try:
                self.on_update(file, news)
            except BaseException as error:
                self.raised = error
                raise

    def _synced(self, account: str) -> list[SyncedFile]:
        outcome = self._outcome(account)
        return [_synced(step, outcome.outcomes.get(step.file, step.error)) for step in outcome.steps]

    def _outcome(self, account: str) -> RunOutcome:
        return self.outcomes.get(account, RunOutcome(steps=()))

    def _use(self, account: str) -> AccountUse:
        outcome = self._outcome(account)
        return AccountUse(
            account=account,
            exports=outcome.exports,
            requests=outcome.requests,
            again_at=outcome.again_at,
            why_left=outcome.why_left,
        )


def _synced(step: FileStep, outcome: DownloadResult | JobsError | None) -> SyncedFile:
    """Return how a run has left a file, from its step and the outcome of that."""
    result, error = step.result, None
    if isinstance(outcome, JobsError):
        state, error = FileState.RUNNING if isinstance(outcome, WaitTimeoutError) else FileState.FAILED, outcome
    elif outcome is None:
        state = _state_untouched(step)
    else:
        state, result = _state_of(step, outcome), outcome
    return SyncedFile(file=step.file, state=state, action=step.action, why=step.why, result=result, error=error)


def _state_untouched(step: FileStep) -> FileState:
    if step.action is not FileAction.KEEP:
        return FileState.LEFT
    return FileState.STALE if step.why else FileState.CURRENT


def _state_of(step: FileStep, result: DownloadResult) -> FileState:
    if step.result is None:
        return FileState.NEW
    if step.result.sha256 != result.sha256:
        return FileState.CHANGED
    return FileState.STALE if result.fresh is False else FileState.UNCHANGED
