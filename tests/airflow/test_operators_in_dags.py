"""The operators as parts of DAGs: serialised, mapped, decorated, killed, and seen by assets and OpenLineage."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.asset import AssetModel
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, ObjectStoragePath, task
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from airflow.serialization.serialized_objects import DagSerialization
from impact_jobs.airflow import (
    ImpactDownloadOperator,
    ImpactExportOperator,
    ImpactReplayOperator,
    ImpactReportToStorageOperator,
    ImpactWaitOperator,
    windows,
)
from impact_jobs.airflow._assets import asset_uri, dataset_name, emit
from impact_jobs.airflow.decorator import impact_report_task
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.driving import FAST, MAY, REPORT, TaskRun, of

JOB = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0.2, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


def serialised(dag: DAG) -> tuple[dict[str, Any], Any]:
    """Return a DAG in JSON, and as the scheduler reads it."""
    data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    return data, DagSerialization.from_dict(data)


OPERATORS: list[tuple[Any, dict[str, Any]]] = [
    (ImpactExportOperator, {**MAY, "filters": {"Program": 1}, "max_age": timedelta(hours=6)}),
    (ImpactWaitOperator, {"job": JOB}),
    (ImpactReplayOperator, {"job": JOB}),
    (ImpactDownloadOperator, {"job": JOB, "path": ObjectStoragePath("s3://aws@reports/may.csv")}),
    (ImpactReportToStorageOperator, {**MAY, "path": "s3://reports/{{ ds }}.csv", "polling": FAST}),
]


@pytest.mark.parametrize(("operator", "arguments"), OPERATORS, ids=lambda value: getattr(value, "__name__", ""))
def test_an_operator_goes_through_the_database(sandbox: Sandbox, operator: Any, arguments: dict[str, Any]) -> None:
    with DAG("a_dag", schedule=None, start_date=START) as dag:
        operator(task_id="a_task", impact_conn_id="impact_test", **arguments)
    data, again = serialised(dag)
    found = again.get_task("a_task")
    assert found.task_type == operator.__name__
    assert set(found.template_fields) == set(operator.template_fields)
    assert found.impact_conn_id == "impact_test"
    text = json.dumps(data)
    for secret in (sandbox.auth_token, sandbox.account_sid, sandbox.base_url):
        assert secret not in text


@pytest.mark.parametrize("operator", [operator for operator, _ in OPERATORS])
def test_every_argument_is_a_template_field(operator: Any) -> None:
    assert set(operator.template_fields) == set(operator.readers)
    assert not set(operator.template_fields) & {"start_date", "end_date", "deferrable", "durable"}


def test_an_operator_is_mapped_over_accounts_and_windows(sandbox: Sandbox) -> None:
    del sandbox
    with DAG("a_dag", schedule=None, start_date=START) as dag:
        ImpactReportToStorageOperator.partial(
            task_id="windows", report_id=REPORT, path="s3://reports/{{ task.report_start }}.csv"
        ).expand_kwargs(windows("2025-01-01", "2025-12-31", "month"))
        ImpactReportToStorageOperator.partial(
            task_id="accounts", **MAY, path="s3://reports/{{ task.impact_conn_id }}.csv"
        ).expand(impact_conn_id=["impact_one", "impact_two"])
    _, again = serialised(dag)
    assert again.get_task("windows").get_parse_time_mapped_ti_count() == 12
    assert again.get_task("accounts").get_parse_time_mapped_ti_count() == 2


# Kills


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the lines that operators log."""
    found: list[str] = []

    class Log:
        def __getattr__(self, _: str) -> Any:
            return lambda text, *values, **__: found.append(text % values)

    monkeypatch.setattr(BaseOperator, "log", Log())
    return found


def test_a_killed_task_says_that_its_job_goes_on(sandbox: Sandbox, lines: list[str]) -> None:
    run = of(ImpactExportOperator, **MAY)
    run.defer()
    assert run.operator is not None
    run.operator.on_kill()
    assert f"job {sandbox.job_ids[0]} goes on at impact.com" in lines[-1]


def test_a_task_that_is_killed_early_says_what_a_retry_does(lines: list[str]) -> None:
    ImpactExportOperator(task_id="a_task", **MAY).on_kill()
    assert "a retry finds it" in lines[-1]


# Task flow


def decorated(function: Any, **options: Any) -> TaskRun:
    def make() -> BaseOperator:
        options_ = {"impact_conn_id": "impact_test", "deferrable": True, "polling": FAST, **options}
        decorate: Any = impact_report_task(**options_)
        operator: BaseOperator = decorate(function)("2026-05-01").operator
        return operator

    return TaskRun(make=make)


def test_a_function_gives_the_arguments_once(sandbox: Sandbox, tmp_path: Path) -> None:
    calls: list[str] = []

    def pull(day: str) -> dict[str, Any]:
        calls.append(day)
        return {"report_start": day, "report_end": day, "path": str(tmp_path / "{{ ds }}.csv")}

    run = decorated(pull, report_id=REPORT)
    result = run.start()
    assert len(run.deferrals) == 1
    assert calls == ["2026-05-01"]
    assert result["path"] == str(tmp_path / "2026-05-01.csv")
    assert result["job_id"] == sandbox.job_ids[0]


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        ({"report": REPORT}, "unknown argument 'report'. Did you mean 'report_id'?"),
        ({"start_date": "2026-05-01"}, "unknown argument 'start_date'. Known are advertiser_id"),
        (None, "the function returned a NoneType"),
        ({"path": "may.csv"}, "report_id=''"),
    ],
)
def test_what_a_function_returns_wrongly_is_named(sandbox: Sandbox, returned: Any, named: str) -> None:
    def pull(day: str) -> Any:
        assert day
        return returned

    with pytest.raises(AirflowFailException) as caught:
        decorated(pull).start()
    assert named in str(caught.value)
    assert not sandbox.requests


def test_the_decorator_is_registered() -> None:
    assert ProvidersManagerTaskRuntime().taskflow_decorators["impact_report"] is impact_report_task
    assert task.impact_report is impact_report_task


# Assets and lineage


def test_a_file_is_an_asset_of_the_default_alias(sandbox: Sandbox, tmp_path: Path) -> None:
    del sandbox
    run = of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"))
    result = run.start()
    ((uri, extra),) = run.asset_events.items()
    assert uri == (tmp_path / "may.csv").as_uri()
    assert (extra["rows"], extra["sha256"], extra["start_date"]) == (result["rows"], result["sha256"], "2026-05-01")
    assert run.operator is not None
    assert run.operator.outlets == [AssetAlias("impact_reports")]


def test_the_outlets_of_the_user_are_used(sandbox: Sandbox, tmp_path: Path) -> None:
    del sandbox
    asset, alias = Asset("s3://reports/actions"), AssetAlias("mine")
    run = of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"), outlets=[asset, alias])
    result = run.start()
    assert run.outlets[asset].extra["sha256"] == result["sha256"]
    assert run.outlets[asset].extra["uri"] == (tmp_path / "may.csv").as_uri()
    assert [event.source_alias_name for event in run.outlets[alias].asset_alias_events] == ["mine"]


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("s3://reports/may.csv", "s3://reports/may.csv"),
        ("s3://reports/a&b=c+d.csv", "s3://reports/a&b=c+d.csv"),
        ("file:///tmp/%C3%BC%20%23.csv", "file:///tmp/%C3%BC%20%23.csv"),
        ("s3://reports/ü b.csv", "s3://reports/%C3%BC%20b.csv"),
        ("s3://reports/may#1?a.csv", "s3://reports/may%231%3Fa.csv"),
    ],
)
def test_an_asset_of_a_file_with_any_name_is_kept_by_airflow(uri: str, kept: str) -> None:
    asset = Asset(asset_uri(uri))
    assert asset.uri == asset.name == AssetModel(name=asset.name, uri=asset.uri).uri == kept
    context: Any = {"outlet_events": OutletEventAccessors()}
    operator: Any = SimpleNamespace(outlets=[AssetAlias("mine")])
    emit(operator, context, uri=uri, extra={"rows": 1})
    (event,) = context["outlet_events"][AssetAlias("mine")].asset_alias_events
    assert (event.dest_asset_key.uri, event.extra) == (kept, {"rows": 1, "uri": uri})


def test_openlineage_has_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    del sandbox
    run = of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"))
    result = run.start()
    assert isinstance(run.operator, ImpactReportToStorageOperator)
    lineage = run.operator.get_openlineage_facets_on_complete(None)
    assert lineage is not None
    (dataset,) = lineage.outputs
    assert (dataset.namespace, dataset.name) == ("file", str(tmp_path / "may.csv"))
    statistics = dataset.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.size) == (result["rows"], result["bytes"])


def test_openlineage_is_optional(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, tmp_path: Path) -> None:
    del sandbox
    run = of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"))
    run.start()
    assert isinstance(run.operator, ImpactReportToStorageOperator)
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", None)
    assert run.operator.get_openlineage_facets_on_complete(None) is None


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://reports/a/may.csv", ("s3://reports", "a/may.csv")),
        ("gs://reports/may.csv", ("gs://reports", "may.csv")),
        ("s3://reports/may#1?a.csv", ("s3://reports", "may#1?a.csv")),
        ("file:///data/may%20report.csv", ("file", "/data/may report.csv")),
    ],
)
def test_a_dataset_is_named_by_openlineages_rules(uri: str, name: tuple[str, str]) -> None:
    assert dataset_name(uri) == name
