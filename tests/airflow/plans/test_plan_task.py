"""The task that lists the files of a plan that are not right."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException
from impact_jobs.airflow._plans.plan_operator import ImpactPlanOperator
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.plans.planning import Planned


def test_it_lists_the_newest_days_first_without_a_request(planned: Planned, sandbox: Sandbox) -> None:
    due = planned.due()
    assert due[0] == {
        "impact_conn_id": "north",
        "account": "north",
        "report": "actions",
        "first_day": "2026-05-01",
        "problem": "",
    }
    assert [each["first_day"] for each in due] == ["2026-05-01", "2026-04-01", "2026-03-01"]
    assert not sandbox.requests


def test_an_account_may_have_a_connection_of_another_name(
    planned: Planned, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, connection_to(sandbox), conn_id="impact_default")
    set_connection(monkeypatch, connection_to(sandbox), conn_id="impact_south")
    planned.write(accounts=["env", "south"], **{"from": "2026-05-01"})
    due = planned.due(connections={"south": "impact_south"})
    assert [(each["account"], each["impact_conn_id"]) for each in due] == [
        ("env", "impact_default"),
        ("south", "impact_south"),
    ]


def test_an_account_without_a_connection_has_one_entry_and_the_others_go_on(planned: Planned) -> None:
    planned.write(accounts=["south", "north"])
    first, *others = planned.due()
    assert (first["account"], first["first_day"]) == ("south", "2026-05-01")
    assert "connection 'south' is not defined" in first["problem"]
    assert [each["account"] for each in others] == ["north"] * 3
    with pytest.raises(AirflowFailException, match="connection 'south' is not defined"):
        planned.task(first).start()


def test_what_the_daily_exports_have_no_room_for_is_left(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    planned.write(split="day", into="data/{start}.csv", **{"from": "2026-01-01"})
    due = planned.due()
    assert (len(due), due[0]["first_day"]) == (100, "2026-05-31")
    log = capsys.readouterr().out
    assert "151 of the plan's 151 files are due" in log
    assert "51 files are left for the next run" in log


def test_it_returns_no_more_than_airflow_maps(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "getint", lambda *_, **__: 2)
    assert len(planned.due()) == 2


def test_the_mistakes_of_a_plan_are_in_the_log(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    planned.write(split="fortnight", refresh="soon")
    with pytest.raises(AirflowFailException, match=r"reports\.toml"):
        planned.due()
    assert capsys.readouterr().out.count("[error ") == 2


@pytest.mark.parametrize(("is_versioned", "is_inside"), [(True, True), (True, False), (False, True)])
def test_files_in_a_bundle_of_versions_are_refused(planned: Planned, *, is_versioned: bool, is_inside: bool) -> None:
    bundle = SimpleNamespace(
        name="dags", supports_versioning=is_versioned, path=planned.folder if is_inside else Path("/elsewhere")
    )
    operator = ImpactPlanOperator(task_id="plan", plan_path=planned.path)
    context: dict[str, object] = {"ti": SimpleNamespace(bundle_instance=bundle)}
    if is_versioned and is_inside:
        with pytest.raises(AirflowFailException, match="is in the DAG bundle 'dags'"):
            operator.execute(context)
    else:
        assert len(operator.execute(context)) == 3
