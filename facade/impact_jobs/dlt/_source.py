"""`reports`: a plan as a dlt source."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from attrs import define, field

from impact_jobs import ConfigurationError, JobsClient
from impact_jobs.dlt._tables import COLUMNS, MERGE_KEY, removal, window_tables
from impact_jobs.dlt._windows import LandedFile, LoadedWindows, window_changes
from impact_jobs.sync import FileState, OnUpdate, Plan, PlannedFile

if TYPE_CHECKING:
    import pyarrow as pa
    from dlt.extract import DltResource, DltSource

_NAME = "impact_jobs"
_STRATEGY = "delete-insert"
_WRITE: Any = {"disposition": "merge", "strategy": _STRATEGY}

logger: logging.Logger = logging.getLogger("impact_jobs")


def reports(
    plan: Plan,
    *,
    run: bool = True,
    clients: Mapping[str, JobsClient] | None = None,
    on_update: OnUpdate | None = None,
) -> DltSource:
    """Return a dlt source with one resource for each report of a plan.

    When dlt extracts it, the source runs the plan once, and then yields, as Arrow tables, the files that this pipeline
    has not loaded in their present version. Each window of each account replaces its rows in the table as a whole. If
    nothing has changed, nothing is loaded. A file that fails, or is left for the next run, keeps the rows that it has
    in the table; it is logged.

    Which windows are loaded is part of dlt's own state, so that `pipeline.run(..., refresh="drop_resources")` loads all
    of them again, without a request.

    Args:
        plan: The plan. All of its reports have `format = "parquet"`. To load some of them, select them in dlt (with
            `with_resources`) or in the plan (with `Plan.select`); the others are not requested.
        run: Whether to run the plan first. False loads the files as they are, after `impact-jobs sync` or `Plan.run`.
        clients: An open client by the plan's name of each account; the caller closes it. Without it, the clients come
            from the profiles or the environment, as for `Plan.run`.
        on_update: Called with a file and its news while the plan runs, as for `Plan.run`.

    Returns:
        The source. Its resources have the names of the plan's reports. Its tables have three columns more than the
        files. `_impact_account` and `_impact_window`, the first day, are the merge key; `_impact_deleted` is null.

    Raises:
        ConfigurationError: A report's format is not "parquet", or the extra `dlt` is missing. Do what the message says.
            While dlt extracts: the destination cannot replace rows, because it lacks dlt's merge strategy
            `delete-insert`; choose another, such as DuckDB or PostgreSQL.
        JobsError: While dlt extracts: all files that were due have failed; this is the first error. dlt raises
            its `PipelineStepFailed`, which names it, and loads nothing.

    Example:
        >>> pipeline = dlt.pipeline("impact", destination=dlt.destinations.duckdb("warehouse.duckdb"))
        >>> info = pipeline.run(reports(Plan.load("reports.toml")))
    """
    _check(plan)
    import dlt  # noqa: PLC0415 - an extra, and slow to load

    landing = _Landing(plan=plan, run=run, clients=clients, on_update=on_update)
    names = dict.fromkeys(report.name for report in plan.reports)
    source = dlt.source(lambda: [_resource(name, landing) for name in names], name=_NAME, section=_NAME)()
    _check_names(source)
    return source


def _check(plan: Plan) -> None:
    for report in plan.reports:
        if report.format != "parquet":
            raise ConfigurationError(
                f'the report {report.name!r} has the format "{report.format}", but dlt loads Parquet: write '
                'format = "parquet" below this [[report]] or below [defaults].'
            )
    try:
        import dlt  # noqa: F401, PLC0415 - an extra, and slow to load
        import pyarrow  # noqa: F401, ICN001, PLC0415 - the same
    except ImportError as error:
        raise ConfigurationError(
            f'A source for dlt needs the extra `dlt`: pip install ".[dlt]" in the clone ({error}).'
        ) from None


def _check_names(source: DltSource) -> None:
    """Raise ConfigurationError if two reports have the same table, where each would replace the rows of the other."""
    tables: dict[str, str] = {}
    for name in source.resources:
        other = tables.setdefault(source.schema.naming.normalize_table_identifier(name), name)
        if other != name:
            raise ConfigurationError(
                f"the reports {other!r} and {name!r} would have the same table in dlt: give one of them another "
                "`name` in the plan."
            )


def _check_destination() -> None:
    """Raise ConfigurationError if dlt would append to what is to be replaced, as it does with files."""
    from dlt.common.configuration.container import Container  # noqa: PLC0415 - an extra, and slow to load
    from dlt.common.pipeline import PipelineContext  # noqa: PLC0415 - the same

    context = Container()[PipelineContext]
    destination = context.pipeline().destination if context.is_active() else None
    if destination is not None and _STRATEGY not in (destination.capabilities().supported_merge_strategies or ()):
        raise ConfigurationError(
            f"dlt cannot replace the rows of a window in {destination.destination_name!r}: choose a destination with "
            f"the merge strategy {_STRATEGY!r}, such as DuckDB or PostgreSQL."
        )


def _resource(name: str, landing: _Landing) -> DltResource:
    import dlt  # noqa: PLC0415 - an extra, and slow to load

    def tables() -> Iterator[pa.Table]:
        _check_destination()
        windows: dict[str, LoadedWindows] = dlt.current.resource_state(name).setdefault("windows", {})
        for account, files in landing.files(name, selected=dlt.current.source().selected_resources).items():
            yield from _account_tables(account, files, windows.setdefault(account, {}))

    return dlt.resource(
        tables,
        name=name,
        write_disposition=_WRITE,
        merge_key=MERGE_KEY,
        columns=COLUMNS,
    )()


def _account_tables(account: str, files: list[LandedFile], loaded: LoadedWindows) -> Iterator[pa.Table]:
    """Yield what changes the account's rows, and update which windows are loaded; dlt undoes that if it fails."""
    changes = window_changes(loaded, files)
    if changes.remove:
        yield removal(account, changes.remove)
    for start in changes.remove:
        del loaded[start]
    for landed in changes.load:
        yield from window_tables(landed.file.path, account, landed.start)
        loaded[landed.start] = landed.entry


@define(kw_only=True)
class _Landing:
    """The folder of the plan, brought up to date when the first resource of an extraction reads its files."""

    plan: Plan
    run: bool
    clients: Mapping[str, JobsClient] | None
    on_update: OnUpdate | None
    _names: frozenset[str] = field(init=False)
    _files: list[LandedFile] = field(factory=list, init=False)
    _waiting: set[str] = field(factory=set, init=False)  # the resources that have not read theirs yet
    _lock: Lock = field(factory=Lock, init=False)  # for resources that dlt runs in parallel

    def __attrs_post_init__(self) -> None:
        self._names = frozenset(report.name for report in self.plan.reports)

    def files(self, report: str, *, selected: Iterable[str]) -> dict[str, list[LandedFile]]:
        """Return the files of a report by account."""
        with self._lock:
            if report not in self._waiting:
                names = {*selected} & self._names | {report}
                self._files = list(self._land(self.plan.select(reports=names)))
                self._waiting = names
            self._waiting.remove(report)
            found: dict[str, list[LandedFile]] = {}
            for landed in self._files:
                if landed.file.report == report:
                    found.setdefault(landed.file.account, []).append(landed)
            return found

    def _land(self, plan: Plan) -> Iterator[LandedFile]:
        if not self.run:
            for step in plan.steps(clients=self.clients):
                _log_error(step.file, step.error)
                yield LandedFile(file=step.file, result=step.result)
            return
        report = plan.run(clients=self.clients, on_update=self.on_update)
        for each in report.files:
            _log_error(each.file, each.error if each.state is FileState.FAILED else None)
            yield LandedFile(file=each.file, result=each.result)
        if report.left:
            logger.warning("files of the plan that are left for the next run: %d", len(report.left))
        if report.failed and {each.state for each in report.files} <= {FileState.CURRENT, FileState.FAILED}:
            raise report.failed[0].error or ConfigurationError("all files have failed")


def _log_error(file: PlannedFile, error: Exception | None) -> None:
    if error is not None:
        logger.error("%s: %s", file, error)
