"""A plan: which reports of which accounts to keep in which files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from os import PathLike
from pathlib import Path

from attrs import evolve, frozen

from impact_jobs._download.destination import Place
from impact_jobs._operations.planned_files.values import FileStep, PlannedFile
from impact_jobs._policy.polling import Polling
from impact_jobs._transport import clock
from impact_jobs._validators import closest, shown
from impact_jobs.async_client import AsyncJobsClient
from impact_jobs.client import JobsClient
from impact_jobs.errors import ConfigurationError
from impact_jobs.sync._errors import PlanError
from impact_jobs.sync._plan_file import clashes, read_reports, read_text
from impact_jobs.sync._planned_report import PlannedReport, files_of
from impact_jobs.sync._preview import SyncPreview, plan_steps, preview_plan, preview_plan_async
from impact_jobs.sync._report import OnUpdate, SyncReport
from impact_jobs.sync._run import run_plan, run_plan_async


@frozen(kw_only=True)
class Plan:
    """Which reports of which accounts to keep in which files. Create one with `load` or `parse`.

    docs/howto/sync.md describes the file.

    Attributes:
        reports: The reports, in the plan's order.
        folder: The absolute path of the folder that relative paths count from: the one that the file is in.
        path: The absolute path of the file; None for a plan that was parsed from text.
        is_selection: Whether `select` has left out reports or accounts.

    Example:
        >>> plan = Plan.load("reports.toml")
        >>> plan.accounts
        ('north', 'south')
    """

    reports: tuple[PlannedReport, ...]
    folder: Path
    path: Path | None = None
    is_selection: bool = False

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Plan:
        """Read a plan from a file. No request is sent.

        Args:
            path: The path of the file, which is TOML.

        Returns:
            The plan.

        Raises:
            PlanError: The file cannot be read, or has mistakes; the error has the line of each, and what to write.
            ConfigurationError: `path` is not a path.

        Example:
            >>> Plan.load("reports.toml").reports[0].id
            'agency_action_listing'
        """
        place = Place.at(path)
        text, folder = read_text(place), place.path.parent
        reports = read_reports(text, plan=str(place.given), folder=folder, today=clock.utc().date())
        return cls(reports=reports, folder=folder, path=place.path)

    @classmethod
    def parse(cls, text: str, *, folder: str | PathLike[str] = ".") -> Plan:
        """Read a plan from text. No request is sent.

        Args:
            text: What the file of a plan would hold.
            folder: The folder that relative paths count from.

        Returns:
            The plan.

        Raises:
            PlanError: The text has mistakes; the error has the line of each, and what to write.
            ConfigurationError: `text` is not text, or `folder` is not a path.

        Example:
            >>> plan = Plan.parse('''
            ... [[report]]
            ... id = "agency_action_listing"
            ... from = "2026-05-01"
            ... into = "{start:%Y-%m}.csv"
            ... ''')
            >>> plan.accounts
            ('env',)
        """
        if not isinstance(text, str):
            raise ConfigurationError(f"text={shown(text)}: give the text of a plan, or call Plan.load with its path.")
        place = Place.at(folder).path
        return cls(reports=read_reports(text, plan="plan", folder=place, today=clock.utc().date()), folder=place)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The plan's names of the accounts, each once."""
        return tuple(dict.fromkeys(account for report in self.reports for account in report.accounts))

    def select(self, *, reports: Iterable[str] = (), accounts: Iterable[str] = ()) -> Plan:
        """Return a plan of some of the reports and accounts.

        Args:
            reports: The plan's names of reports; all of them without any.
            accounts: The plan's names of accounts; all of them without any.

        Returns:
            The smaller plan.

        Raises:
            ConfigurationError: The plan has no such report or account, or the reports are not of these accounts.

        Example:
            >>> Plan.load("reports.toml").select(accounts=["north"]).accounts
            ('north',)
        """
        by_name = {report.name: report.name for report in self.reports}
        by_id = {report.id: report.name for report in self.reports}
        names = _chosen("report", reports, known={**by_name, **by_id, **by_name})
        chosen = _chosen("account", accounts, known={account: account for account in self.accounts})
        found = [
            evolve(report, accounts=tuple(account for account in report.accounts if account in chosen))
            for report in self.reports
            if report.name in names and chosen & {*report.accounts}
        ]
        if not found:
            raise ConfigurationError(
                f"the plan has no report {' or '.join(sorted(names))} of account {' or '.join(sorted(chosen))}: "
                "choose a report and an account that belong together."
            )
        is_selection = self.is_selection or tuple(found) != self.reports
        return evolve(self, reports=tuple(found), is_selection=is_selection)

    def files(self, today: date | None = None) -> tuple[PlannedFile, ...]:
        """Return the files that the plan stands for, those with the newest days first. No request is sent.

        Args:
            today: The day that relative days count back from; the current one in UTC by default.

        Returns:
            The files, ordered by the last day of the window, and then as in the plan.

        Raises:
            PlanError: Two of the files would have the same name.

        Example:
            >>> [file.path.name for file in Plan.load("reports.toml").files()][:1]
            ['2026-05.csv']
        """
        day = today or clock.utc().date()
        files = list(files_of(self.reports, self.folder, day))
        if problems := clashes(files, folder=self.folder):
            raise PlanError(problems, plan=str(self.path or "plan"))
        found = (file for _, file in files)
        return tuple(sorted(found, key=lambda file: file.window.end, reverse=True))  # stable, so the plan's order stays

    def run(
        self,
        *,
        timeout: float | None = 14400.0,
        polling: Polling | None = None,
        clients: Mapping[str, JobsClient] | None = None,
        on_update: OnUpdate | None = None,
    ) -> SyncReport:
        """Bring the files up to date: export, replay or download what is missing or due, for all accounts at once.

        The newest days come first. What exceeds an account's 100 exports a day is left for the next run. An error of
        one file is in the report, and does not stop the others. A file is replaced only once its new content is
        complete.

        Args:
            timeout: Seconds for the whole run. None means no limit. The next run continues with jobs that are not done.
            polling: Replaces the clients' policy of how often a wait polls.
            clients: A client by the plan's name of each account; you close them. By default, an account is the profile
                of its name, and "env" that of the IMPACT_* variables.
            on_update: Called with a file and its news: a snapshot of its job, its result, or its error. One call is
                made at a time, perhaps from another thread.

        Returns:
            Each file, what is left, and what the run took of each account.

        Raises:
            PlanError: Two of the files would have the same name.
            ConfigurationError: `clients` lacks an account, or another argument is malformed.

        Example:
            >>> report = Plan.load("reports.toml").run()
            >>> report.is_complete
            True
        """
        return run_plan(self, timeout=timeout, polling=polling, clients=clients, on_update=on_update)

    async def run_async(
        self,
        *,
        timeout: float | None = 14400.0,
        polling: Polling | None = None,
        clients: Mapping[str, AsyncJobsClient] | None = None,
        on_update: OnUpdate | None = None,
    ) -> SyncReport:
        """Bring the files up to date, as `run` does.

        Args:
            timeout: As for `run`.
            polling: As for `run`.
            clients: As for `run`, but asynchronous ones.
            on_update: As for `run`.

        Returns:
            As for `run`.

        Raises:
            PlanError: Two of the files would have the same name.
            ConfigurationError: `clients` lacks an account, or another argument is malformed.

        Example:
            >>> report = await Plan.load("reports.toml").run_async()
            >>> report.is_complete
            True
        """
        return await run_plan_async(self, timeout=timeout, polling=polling, clients=clients, on_update=on_update)

    def steps(self, *, clients: Mapping[str, JobsClient] | None = None) -> tuple[FileStep, ...]:
        """Return what a run would do about each file, by what is in the folders. No request is sent.

        Args:
            clients: As for `run`.

        Returns:
            One step for each file, in the order of `files`.

        Raises:
            PlanError: Two of the files would have the same name.
            ConfigurationError: `clients` lacks an account.

        Example:
            >>> [step.why for step in Plan.load("reports.toml").steps()][:1]
            ['missing']
        """
        return plan_steps(self, clients=clients)

    def preview(self, *, clients: Mapping[str, JobsClient] | None = None) -> SyncPreview:
        """Return what a run would do about each file, and what it would take of each account's limits.

        Nothing is exported or written. For an account that needs exports, its list of jobs is read; for a report that
        needs exports or has filters, its metadata.

        Args:
            clients: As for `run`.

        Returns:
            The steps, and what they take of each account.

        Raises:
            PlanError: Two of the files would have the same name.
            ConfigurationError: `clients` lacks an account.

        Example:
            >>> Plan.load("reports.toml").preview().accounts[0].exports
            4
        """
        return preview_plan(self, clients=clients)

    async def preview_async(self, *, clients: Mapping[str, AsyncJobsClient] | None = None) -> SyncPreview:
        """Return what a run would do about each file, and what it would take, as `preview` does.

        Args:
            clients: As for `run_async`.

        Returns:
            As for `preview`.

        Raises:
            PlanError: Two of the files would have the same name.
            ConfigurationError: `clients` lacks an account.

        Example:
            >>> preview = await Plan.load("reports.toml").preview_async()
            >>> preview.accounts[0].exports
            4
        """
        return await preview_plan_async(self, clients=clients)


def _chosen(what: str, names: Iterable[str], *, known: Mapping[str, str]) -> set[str]:
    """Return the given names, or all; `known` has the names to write by what may be meant."""
    chosen = {names} if isinstance(names, str) else set(names)
    every = list(dict.fromkeys(known.values()))
    for name in chosen - {*every}:
        close = closest(name, known)
        hint = f"did you mean {known[close]!r}?" if close else f"choose from {', '.join(every)}."
        raise ConfigurationError(f"the plan has no {what} {shown(name)}: {hint}")
    return chosen or {*every}
