"""The task that lists the files of a plan that are not up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf
from attrs import frozen

from impact_jobs import ConfigurationError, JobsClient
from impact_jobs.airflow._errors import AirflowException, AirflowFailException, airflow_error, one_line
from impact_jobs.airflow.hook import ImpactHook
from impact_jobs.sync import FileAction, FileStep, Plan, PlanError, PlannedFile
from impact_jobs.toolkit import DAILY_LIMIT

if TYPE_CHECKING:
    from airflow.sdk import Context

_MOST_MAPPED: Final = 1024  # Airflow's own default


@frozen(kw_only=True)
class _Due:
    """A file that is not up to date: why, or why it cannot be made."""

    file: PlannedFile
    why: str = ""
    problem: str = ""
    exports: int = 0

    @classmethod
    def of(cls, step: FileStep) -> _Due:
        problem = "" if step.error is None else one_line(str(step.error))
        return cls(file=step.file, why=step.why, problem=problem, exports=step.exports)


class ImpactPlanOperator(BaseOperator):
    """Returns the files of a plan that are not up to date as arguments for `ImpactPlannedFileOperator`, newest first.

    It sends no request: the files and their manifests say what is due. What the accounts' daily exports or Airflow's
    limit of mapped tasks have no room for is left for the next run. An account whose connection cannot be used gets a
    single entry, whose task fails with the reason, so that the other accounts go on.

    Args:
        plan_path: The plan's file.
        connections: The connection ids by the plan's names of accounts, where the id is not the account's name.

    Example:
        >>> plan = ImpactPlanOperator(task_id="plan", plan_path="/opt/airflow/dags/reports.toml")
    """

    ui_color = "#e3ecff"

    def __init__(
        self,
        *,
        plan_path: str | PathLike[str],
        connections: Mapping[str, str] | None = None,
        **kwargs: Any,  # noqa: ANN401 - those of BaseOperator
    ) -> None:
        super().__init__(**kwargs)
        self.plan_path = fspath(plan_path)
        self.connections = dict(connections or {})

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Read the plan, and return what is due.

        Args:
            context: Airflow's context of the task instance.

        Raises:
            AirflowFailException: The plan has mistakes, which the log lists, or its files would be in the DAG bundle.
        """
        try:
            plan = Plan.load(self.plan_path)
            files = plan.files()
        except ConfigurationError as error:
            raise self._failure(error) from None
        self._check_places(files, getattr(context["ti"], "bundle_instance", None))
        due = self._due(plan, files)
        within = list(self._within_limits(due))
        for each in within:
            state = f"cannot be made: {each.problem}" if each.problem else each.why
            self.log.info("%s: %s", each.file, state)
        self.log.info("%d of the plan's %d files are due", len(due), len(files))
        if len(due) > len(within):
            self.log.warning("%d files are left for the next run, because of the limits", len(due) - len(within))
        return [self._arguments(each) for each in within]

    def _failure(self, error: ConfigurationError) -> AirflowException:
        """Return the exception for a plan that cannot be read; log each of its mistakes."""
        for problem in error.problems if isinstance(error, PlanError) else ():
            self.log.error("%s:%d: %s", self.plan_path, problem.line, problem.message)
        return airflow_error(error)

    def _due(self, plan: Plan, files: Sequence[PlannedFile]) -> list[_Due]:
        """Return each file that is due, even if not all may be made today; those that cannot be made come first."""
        clients: dict[str, JobsClient] = {}
        problems: list[_Due] = []
        with ExitStack() as stack:
            for account in plan.accounts:
                try:
                    clients[account] = stack.enter_context(ImpactHook(self._connection(account)).get_conn())
                except AirflowException as error:
                    newest = next((file for file in files if file.account == account), None)
                    problems += [] if newest is None else [_Due(file=newest, problem=str(error))]
            steps = plan.select(accounts=tuple(clients)).steps(clients=clients) if clients else ()
        return problems + [_Due.of(step) for step in steps if step.error or step.action is not FileAction.KEEP]

    def _connection(self, account: str) -> str:
        return self.connections.get(account) or connection_of(account)

    def _within_limits(self, due: Sequence[_Due]) -> Iterator[_Due]:
        """Give what the daily exports of each account and the limit of mapped tasks have room for."""
        room, used = conf.getint("core", "max_map_length", fallback=_MOST_MAPPED), Counter[str]()
        for each in due:
            connection = self._connection(each.file.account)
            if room > 0 and used[connection] + each.exports <= DAILY_LIMIT:
                used[connection] += each.exports
                room -= 1
                yield each

    def _arguments(self, due: _Due) -> dict[str, str]:
        return {
            "impact_conn_id": self._connection(due.file.account),
            "account": due.file.account,
            "report": due.file.report,
            "first_day": due.file.window.start.isoformat(),
            "problem": due.problem,
        }

    def _check_places(self, files: Sequence[PlannedFile], bundle: Any) -> None:  # noqa: ANN401 - Airflow's bundle
        """Refuse files in a bundle that has a folder for each version, because each would be empty at first."""
        if bundle is None or not bundle.supports_versioning:
            return
        inside = next((file.path for file in files if file.path.is_relative_to(bundle.path)), None)
        if inside is not None:
            raise AirflowFailException(
                f"{inside} is in the DAG bundle {bundle.name!r}, which has a new folder for each version: give `into` "
                f"in {self.plan_path} an absolute path outside of it."
            )


def connection_of(account: str) -> str:
    """Return the connection of an account that none is given for.

    Args:
        account: The plan's name of the account.

    Example:
        >>> connection_of("env")
        'impact_default'
    """
    return ImpactHook.default_conn_name if account == "env" else account
