"""`dags_from_plan`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from airflow.sdk import DAG

from impact_jobs import ConfigurationError
from impact_jobs.airflow._plans.file_operator import ImpactPlannedFileOperator
from impact_jobs.airflow._plans.plan_operator import ImpactPlanOperator
from impact_jobs.sync import Plan

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LABEL: Final = "{{ task.account }} {{ task.report }} {{ task.first_day }}"
_DOC: Final = """Keeps the files of the plan `{name}` up to date: `plan` lists those that are not, `file` makes each.

What is there already, and is new enough, is not requested. `impact-jobs sync` in the same folder continues this work,
and this DAG continues its own.
"""


def dags_from_plan(
    path: str | PathLike[str],
    *,
    connections: Mapping[str, str] | None = None,
    schedule: Any = "0 5 * * *",  # noqa: ANN401 - all that a DAG takes
    start_date: datetime = _START,
    pool: str | None = None,
    **dag_kwargs: Any,  # noqa: ANN401 - those of a DAG
) -> DAG:
    """Make the DAG of a plan, which brings the plan's files up to date every night, as `impact-jobs sync` does.

    The task `plan` lists the files that are not up to date, without a request. The mapped, deferrable task `file`
    exports, replays or downloads each of them, newest days first. Both read the files' manifests, so what another run
    or `impact-jobs sync` has made is not made again, and the other way round. Each file is an asset event of the alias
    `impact_reports`. What exceeds the daily exports is left for the next run.

    The DAG registers itself in the DAG file that calls this, as a `with DAG(...)` block does. The plan is read when the
    file is parsed, so that its mistakes are import errors, and once more in each run. Nothing is sent while parsing.

    Args:
        path: The plan's file. A relative path counts from the folder of the module that calls this.
        connections: The connection by the plan's name of the account. Without an entry, it has the account's name, and
            that of "env" is "impact_default".
        schedule: When the DAG runs, as for every DAG: at 5 o'clock UTC each day by default.
        start_date: From when on it is scheduled.
        pool: The pool of the tasks `file`; Airflow's default pool by default. A deferred task holds no slot.
        dag_kwargs: Further arguments of `DAG`. By default, `dag_id` is `"impact_"` and the name of the plan's file,
            `catchup` is False, `max_active_runs` is 1, and `default_args` has `retries` 3.

    Returns:
        The DAG, to add tasks to it.

    Raises:
        PlanError: The plan has mistakes; each line names one.
        ConfigurationError: The file cannot be read, or `connections` has an account that the plan does not have.

    Example:
        >>> dag = dags_from_plan("reports.toml", connections={"north": "impact_north"}, pool="impact")
        >>> dag.dag_id
        'impact_reports'
    """
    file = _beside_caller(path)
    _check_accounts(connections or {}, Plan.load(file).accounts)
    arguments: dict[str, Any] = {
        "dag_id": "impact_" + re.sub(r"[^\w.-]", "_", file.stem),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["impact"],
        "doc_md": _DOC.format(name=file.name),
        **dag_kwargs,
        "default_args": {"retries": 3, **dag_kwargs.get("default_args", {})},
    }
    with DAG(schedule=schedule, start_date=start_date, **arguments) as dag:
        plan = ImpactPlanOperator(task_id="plan", plan_path=file, connections=connections)
        ImpactPlannedFileOperator.partial(
            task_id="file",
            plan_path=fspath(file),
            deferrable=True,
            map_index_template=_LABEL,
            **({} if pool is None else {"pool": pool}),
        ).expand_kwargs(plan.output)
    return dag


def _beside_caller(path: str | PathLike[str]) -> Path:
    """Return the absolute path of a file that is named relative to the module that called our caller."""
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    folder = Path(caller.f_globals.get("__file__", "")).parent if caller is not None else Path()
    return (folder / path).absolute()


def _check_accounts(connections: Mapping[str, str], accounts: tuple[str, ...]) -> None:
    for name in connections:
        if name not in accounts:
            close = get_close_matches(name, accounts, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(accounts)}."
            raise ConfigurationError(f"connections={dict(connections)!r}: the plan has no account {name!r}. {hint}")
