"""The task that makes one file of a plan, over its tries."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from attrs import evolve
from impact_jobs import JobsClient
from impact_jobs._download.manifest import Manifest
from impact_jobs.airflow import ImpactJobTrigger, ImpactQuotaTrigger
from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import save_planned_file

from tests.airflow.driving import REPORT, event_of
from tests.airflow.operators.trying import KilledAt
from tests.airflow.plans.planning import Planned

DAY = timedelta(days=1).total_seconds()
in_each_kind = pytest.mark.parametrize("sandbox", ["agency", "brand", "partner"], indirect=True)


@in_each_kind
def test_a_missing_file_is_exported_and_is_right_then(planned: Planned, sandbox: Sandbox) -> None:
    newest, *_ = planned.due()
    run = planned.task(newest)
    result = run.start()
    content = (planned.folder / "data" / "north" / "2026-05.csv").read_bytes()
    job = sandbox.job_ids[0]
    assert result == {
        "path": str(planned.folder / "data" / "north" / "2026-05.csv"),
        "job_id": job,
        "rows": result["rows"],
        "bytes": len(content),
        "sha256": sandbox.result(job).sha256,
        "unchanged": False,
        "account": "north",
        "report": "actions",
        "report_id": REPORT,
        "start_date": "2026-05-01",
        "end_date": "2026-05-31",
    }
    (trigger, _), *others = run.deferrals
    assert not others
    assert isinstance(trigger, ImpactJobTrigger)
    uri = (planned.folder / "data" / "north" / "2026-05.csv").as_uri()
    assert run.asset_events == {uri: {key: value for key, value in result.items() if key != "path"} | {"uri": uri}}
    assert [each["first_day"] for each in planned.due()] == ["2026-04-01", "2026-03-01"]


def test_sync_and_the_tasks_continue_each_other(planned: Planned) -> None:
    newest, *_ = planned.due()
    planned.task(newest).start()
    assert [file.state for file in planned.sync().files] == ["current", "new", "new"]
    assert planned.due() == []
    assert (planned.exports, planned.replays) == (3, 0)


def test_the_tasks_leave_nothing_to_sync(planned: Planned, sandbox: Sandbox) -> None:
    planned.make_all()
    before = len(sandbox.requests)
    report = planned.sync()
    assert {file.state for file in report.files} == {"current"}
    assert report.leftovers == ()
    assert len(sandbox.requests) == before


@in_each_kind
def test_corrections_are_brought_by_a_replay_once_a_day(planned: Planned, clock: ImpactClock) -> None:
    planned.write(refresh="3650d")
    planned.make_all()
    assert planned.due() == []
    for day in (1, 2):
        clock.advance(DAY)
        results = planned.make_all()
        assert (planned.exports, planned.replays) == (3, 3 * day)
        assert len(results) == 3
        assert planned.due() == []


def test_a_job_that_is_not_replayed_leaves_the_older_rows(
    planned: Planned, sandbox: Sandbox, clock: ImpactClock
) -> None:
    planned.write(refresh="3650d", **{"from": "2026-05-01"})
    (before,) = planned.make_all()
    clock.advance(DAY)
    sandbox.answer_next("PUT", re.compile("/Replay"), status=403)
    (after,) = planned.make_all()
    assert after == {**before, "unchanged": True}
    assert planned.exports == 1


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_the_files_and_their_manifest_are_those_that_sync_makes(planned: Planned, tmp_path: Path, format_: str) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")  # which is not installed beside the oldest Airflow
    other = evolve(planned, folder=tmp_path / "other")
    other.folder.mkdir()
    for each in (planned, other):
        each.write(format=format_, into="data/{account}/{start:%Y-%m}", filters={"Program": "10001"})
    assert all(result["rows"] for result in planned.make_all())
    assert {file.state for file in other.sync().files} == {"new"}
    assert planned.contents == other.contents
    assert len(planned.contents) == 3
    assert planned.exports == 6, "the server has returned the jobs of equal exports"


def test_filters_are_sent_and_a_change_of_them_is_made(planned: Planned, sandbox: Sandbox) -> None:
    planned.write(filters={"Program": "10001"}, **{"from": "2026-05-01"})
    planned.make_all()
    planned.write(filters={"Program": "10002"}, **{"from": "2026-05-01"})
    (changed,) = planned.make_all()
    queries = [each.query for each in sandbox.requests if "/ReportExport/" in each.path]
    assert [re.findall(r"SUBAID=(\d+)", query) for query in queries] == [["10001"], ["10002"]]
    assert changed["job_id"] == sandbox.job_ids[-1]
    assert planned.due() == []


def test_a_changed_split_is_made_although_its_first_file_holds_the_days(planned: Planned) -> None:
    planned.write(split="none", into="data/{start:%Y-%m}.csv")
    planned.make_all()
    planned.write(into="data/{start:%Y-%m}.csv")
    assert [each["start_date"] for each in planned.make_all()] == ["2026-05-01", "2026-04-01", "2026-03-01"]
    assert planned.due() == []


def test_a_deleted_file_is_downloaded_again_without_an_export(planned: Planned) -> None:
    first, *_ = planned.make_all()
    (planned.folder / "data" / "north" / "2026-05.csv").unlink()
    assert planned.make_all() == [{**first, "unchanged": True}]
    assert (planned.exports, planned.replays) == (3, 0)


def test_a_deleted_file_whose_result_is_gone_is_made_once_more(planned: Planned, sandbox: Sandbox) -> None:
    first, *_ = planned.make_all()
    (planned.folder / "data" / "north" / "2026-05.csv").unlink()
    sandbox.answer_next("GET", f"/{first['job_id']}/Download", status=404)
    (again,) = planned.make_all()
    assert again["sha256"] == first["sha256"]
    assert (planned.exports, planned.replays) == (3, 1)


@pytest.mark.parametrize("write", [1, 2])
def test_a_task_that_is_killed_exports_nothing_twice(planned: Planned, sandbox: Sandbox, write: int) -> None:
    run = planned.task(planned.due()[0])
    run.state = KilledAt(write)
    with pytest.raises(KeyboardInterrupt):
        run.start()
    result = run.start()
    assert len(sandbox.job_ids) == 1
    assert result["job_id"] == sandbox.job_ids[0]


def test_a_task_that_is_killed_after_it_has_saved_the_file_announces_it(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(client: JobsClient, *args: Any, **options: Any) -> Any:
        save_planned_file(client, *args, **options)
        raise KeyboardInterrupt

    run = planned.task(planned.due()[0])
    with monkeypatch.context() as patched:
        patched.setattr("impact_jobs.airflow._plans.file_operator.save_planned_file", killed)
        with pytest.raises(KeyboardInterrupt):
            run.start()
    result = run.start()
    assert not run.deferrals
    assert planned.exports == 1
    assert [event["sha256"] for event in run.asset_events.values()] == [result["sha256"]]
    assert not result["unchanged"], "nothing has announced the file"


def test_a_task_that_is_killed_before_the_manifest_has_its_file_takes_it_for_its_own(
    planned: Planned, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    run = planned.task(planned.due()[0])
    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            run.start()
    assert (planned.folder / "data" / "north" / "2026-05.csv").exists()
    assert run.start()["job_id"] == sandbox.job_ids[0]
    assert len(sandbox.job_ids) == 1
    assert len(planned.due()) == 2


def test_a_cleared_task_whose_file_is_right_sends_nothing(planned: Planned, sandbox: Sandbox) -> None:
    run = planned.task(planned.due()[0])
    first = run.start()
    run.clear()
    before = len(sandbox.requests)
    assert run.start() == first
    assert len(sandbox.requests) == before


def test_a_file_that_the_plan_has_no_more_is_skipped(planned: Planned) -> None:
    run = planned.task(planned.due()[-1])
    planned.write(**{"from": "2026-04-01"})
    with pytest.raises(AirflowSkipException, match="no longer has this file"):
        run.start()


def test_a_file_that_is_deferred_is_saved_as_the_plan_was(planned: Planned) -> None:
    run = planned.task(planned.due()[0])
    trigger = run.defer()
    planned.write(into="elsewhere/{start:%Y-%m}.csv")
    assert run.finish(event_of(trigger))["path"] == str(planned.folder / "data" / "north" / "2026-05.csv")


def test_a_foreign_file_fails_its_task_at_once(planned: Planned) -> None:
    foreign = planned.folder / "data" / "north" / "2026-05.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    first, *others = planned.due()
    with pytest.raises(AirflowFailException, match="this plan has not made it"):
        planned.task(first).start()
    assert foreign.read_text() == "mine"
    assert planned.task(others[0]).start()["rows"]


def test_a_late_result_and_a_busy_hour_hold_no_worker(planned: Planned, sandbox: Sandbox) -> None:
    run = planned.task(planned.due()[0])
    trigger = run.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    event = event_of(trigger)
    body = f'{{"Id": "{trigger.job_id}", "Status": "COMPLETED"}}'
    sandbox.answer_next("GET", "/Download", status=202, body=body, times=8)
    run.resume(event)
    assert isinstance(run.deferrals[-1][0], ImpactQuotaTrigger)
    assert run.deferrals[-1][1]["kept"]["late_since"]
    sandbox.answer_next("GET", "/Download", status=429, headers={"Retry-After": "1800"})
    run.resume({"outcome": "quota"})
    assert isinstance(run.deferrals[-1][0], ImpactQuotaTrigger)
    assert run.finish({"outcome": "quota"})["job_id"] == trigger.job_id


def test_a_file_that_comes_between_two_tries_stays(planned: Planned) -> None:
    run = planned.task(planned.due()[0])
    trigger = run.defer()
    foreign = planned.folder / "data" / "north" / "2026-05.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    with pytest.raises(AirflowFailException, match="this plan has not made it"):
        run.finish(event_of(trigger))
    with pytest.raises(AirflowFailException, match="this plan has not made it"):
        run.start()
    assert foreign.read_text() == "mine"


@pytest.mark.parametrize(("limit", "seconds"), [("hour", 1800), ("day", 1800), ("day", 36000)])
def test_only_the_limit_of_an_hour_is_waited_for(planned: Planned, sandbox: Sandbox, limit: str, seconds: int) -> None:
    message = "Too many requests" if limit == "hour" else "The limit of 100 report exports a day is reached."
    body = json.dumps({"Status": "ERROR", "Message": message})
    headers = {"Retry-After": str(seconds)}
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=429, headers=headers, body=body)
    run = planned.task(planned.due()[0])
    if limit == "hour":
        assert isinstance(run.defer(), ImpactQuotaTrigger)
        assert run.finish({"outcome": "quota"})["rows"]
    else:
        with pytest.raises(AirflowSkipException, match="left for the next run"):
            run.start()
        assert len(planned.due()) == 3


@in_each_kind
@pytest.mark.parametrize("write", [1, 2])
def test_a_task_that_is_killed_replays_nothing_twice(planned: Planned, clock: ImpactClock, write: int) -> None:
    planned.write(refresh="3650d", **{"from": "2026-05-01"})
    planned.make_all()
    clock.advance(DAY)
    run = planned.task(planned.due()[0])
    run.state = KilledAt(write)
    with pytest.raises(KeyboardInterrupt):
        run.start()
    clock.advance(120)
    run.start()
    assert planned.replays == 1
    assert planned.due() == []
