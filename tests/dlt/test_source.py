"""The source of a plan in dlt, with DuckDB: windows are replaced as a whole, and nothing is loaded twice."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from impact_jobs import ConfigurationError
from impact_jobs.sync import FileState

from tests.dlt.folder import AMOUNT, Entry, FolderPlan, rows
from tests.dlt.warehouse import Warehouse, source


def test_windows_are_replaced_as_a_whole_and_unchanged_ones_are_not_loaded(
    plan: FolderPlan, warehouse: Warehouse
) -> None:
    plan.write("2026-05-01", "2026-05-31", rows(3))
    plan.write("2026-05-01", "2026-05-31", rows(5), account="south")
    plan.write("2026-06-01", "2026-06-30", rows(0))
    assert warehouse.load(plan) == 3 + 5 + 1
    expected = {("north", "05-01"): 3, ("south", "05-01"): 5}
    assert warehouse.counts() == expected

    assert warehouse.load(plan) == 0
    assert warehouse.counts() == expected

    plan.write("2026-05-01", "2026-05-31", rows(0), account="south")  # its rows have to go
    plan.write("2026-06-01", "2026-06-30", rows(2, Note="late"))  # a new column
    assert warehouse.load(plan) == 1 + 2
    assert warehouse.counts() == {("north", "05-01"): 3, ("north", "06-01"): 2}
    assert warehouse.query("SELECT note, count(*) FROM actions GROUP BY ALL ORDER BY ALL") == [("late", 2), (None, 3)]
    assert warehouse.query("SELECT DISTINCT action_id, action_date, payout, items, new_customer FROM actions") == [
        ("007", datetime(2026, 5, 1, tzinfo=UTC), AMOUNT, 2**62, True)
    ]
    types = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'impact'"
    assert dict(warehouse.query(f"{types} AND table_name = 'actions'")) == {
        "_impact_account": "VARCHAR",
        "_impact_window": "VARCHAR",
        "_impact_deleted": "BOOLEAN",
        "action_id": "VARCHAR",
        "action_date": "TIMESTAMP WITH TIME ZONE",
        "payout": "DECIMAL(38,18)",
        "items": "BIGINT",
        "new_customer": "BOOLEAN",
        "note": "VARCHAR",
    }


@pytest.mark.interop
def test_a_changed_split_replaces_the_earlier_windows_once_all_files_are_there(
    plan: FolderPlan, warehouse: Warehouse
) -> None:
    plan.write("2026-05-01", "2026-05-31", rows(3))
    plan.write("2026-05-01", "2026-05-31", rows(4), account="south")
    warehouse.load(plan)
    plan.states.clear()
    plan.write("2026-05-01", "2026-05-15", rows(1))
    plan.fail("2026-05-16", "2026-05-31", FileState.LEFT)
    assert warehouse.load(plan) == 0
    plan.write("2026-05-16", "2026-05-31", rows(2))
    warehouse.load(plan)
    assert warehouse.counts() == {("north", "05-01"): 1, ("north", "05-16"): 2, ("south", "05-01"): 4}
    plan.states.clear()
    plan.write("2026-05-01", "2026-05-31", rows(5))
    warehouse.load(plan)
    assert warehouse.counts() == {("north", "05-01"): 5, ("south", "05-01"): 4}


@pytest.mark.interop
def test_only_the_selected_reports_are_run_and_each_extraction_runs_them_again(
    plan: FolderPlan, warehouse: Warehouse
) -> None:
    plan.names = frozenset({"actions", "clicks"})
    for report in plan.names:
        plan.write("2026-05-01", "2026-05-31", rows(1), report=report)
    everything = source(plan)
    pipeline = warehouse.pipeline()
    pipeline.run(everything.with_resources("clicks"))
    pipeline.run(everything)
    pipeline.run(everything)
    assert plan.runs == [{"clicks"}, {"actions", "clicks"}, {"actions", "clicks"}]
    assert warehouse.counts() == warehouse.counts("clicks") == {("north", "05-01"): 1}
    pipeline.run(source(plan, run=False), refresh="drop_resources")
    assert len(plan.runs) == 3
    assert warehouse.counts() == {("north", "05-01"): 1}


@pytest.mark.interop
def test_a_failed_window_keeps_its_rows_and_is_logged(
    plan: FolderPlan, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    plan.write("2026-05-01", "2026-05-31", rows(3))
    warehouse.load(plan)
    plan.fail("2026-05-01", "2026-05-31")
    plan.fail("2026-04-01", "2026-04-30", FileState.LEFT)
    plan.write("2026-06-01", "2026-06-30", rows(1))
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        warehouse.load(plan)
    assert warehouse.counts() == {("north", "05-01"): 3, ("north", "06-01"): 1}
    assert [record.getMessage() for record in caplog.records if record.name == "impact_jobs"] == [
        "actions of north, 2026-05-01 to 2026-05-31: no 2026-05-01",
        "files of the plan that are left for the next run: 1",
    ]


@pytest.mark.interop
def test_if_all_files_that_were_due_fail_the_pipeline_fails(plan: FolderPlan, warehouse: Warehouse) -> None:
    plan.write("2026-05-01", "2026-05-31", rows(3), state=FileState.CURRENT)
    plan.fail("2026-06-01", "2026-06-30")
    loading, pipeline = source(plan), warehouse.pipeline()
    for _ in range(2):
        with pytest.raises(Exception, match="no 2026-06-01"):
            pipeline.run(loading)
    assert len(plan.runs) == 2
    assert warehouse.load(plan, run=False) == 3  # what is there


@pytest.mark.interop
def test_a_destination_that_would_append_is_refused(plan: FolderPlan, warehouse: Warehouse) -> None:
    import dlt  # noqa: PLC0415 - takes a second

    plan.write("2026-05-01", "2026-05-31", rows(3))
    files = dlt.destinations.filesystem(str(warehouse.folder / "files"))
    with pytest.raises(Exception, match="cannot replace the rows of a window in 'filesystem'"):
        warehouse.pipeline(files).run(source(plan))


def test_other_formats_and_names_that_share_a_table_are_refused(
    plan: FolderPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.names = frozenset({"Click Log", "click_log"})
    with pytest.raises(ConfigurationError, match="'Click Log' and 'click_log' would have the same table"):
        source(plan)
    monkeypatch.setattr(FolderPlan, "reports", [Entry("actions"), Entry("clicks", "csv")])
    with pytest.raises(ConfigurationError, match=r"'clicks' has the format \"csv\".* write format = \"parquet\""):
        source(plan)
