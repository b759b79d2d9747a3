"""What the run of the example DAGs on a real Airflow has to show; conftest.py runs it once."""

from __future__ import annotations

from tests.airflow.cluster.metadata import most_at_once
from tests.airflow.cluster.outcome import Outcome
from tests.airflow.cluster.plan_run import MONTHS
from tests.airflow.cluster.table import held_while_running, own_stretches

SLOTS = 2


def test_every_dag_succeeds(outcome: Outcome) -> None:
    assert set(outcome.states.values()) == {"success"}, outcome.states


def test_all_objects_are_right_although_processes_were_killed(outcome: Outcome) -> None:
    assert len(outcome.killed) == len(outcome.plan.moments)
    assert len(outcome.expected) == outcome.plan.accounts * outcome.plan.windows
    assert outcome.found == outcome.expected
    assert outcome.unfinished == 0


def test_no_job_is_scheduled_twice(outcome: Outcome) -> None:
    assert outcome.jobs == [outcome.plan.windows] * outcome.plan.accounts


def test_each_task_has_one_result_and_one_asset_event(outcome: Outcome) -> None:
    assert outcome.results == len(outcome.expected)
    digests = {uri.partition("reports/")[2]: extra["sha256"] for uri, extra in outcome.events}
    assert digests == outcome.expected
    assert len(outcome.events) == len(outcome.expected)


def test_no_slot_is_held_while_a_job_runs(outcome: Outcome) -> None:
    assert most_at_once(outcome.stretches) <= SLOTS
    held = [held_while_running(outcome, stretch) for stretch in own_stretches(outcome)]
    assert max(held) < outcome.plan.longest_hold_seconds


def test_it_makes_fewer_requests_than_the_naive_dag(outcome: Outcome) -> None:
    own = sum(outcome.requests) / sum(outcome.jobs)
    assert own < outcome.naive_requests / outcome.plan.naive_jobs


def test_the_dag_from_a_plan_makes_each_file_once(outcome: Outcome) -> None:
    planned = outcome.planned
    names = [f"impact_{number}" for number in range(1, outcome.plan.accounts + 1)]
    assert planned.states == ["success", "success"]
    assert planned.labels == [f"{name} actions {month}-01" for month in reversed(MONTHS) for name in names]
    assert planned.found == planned.expected
    assert len(planned.expected) == len(names) * len(MONTHS)
    assert planned.jobs == [len(planned.expected)] * 2


def test_the_command_sync_finds_nothing_to_do_after_the_dag(outcome: Outcome) -> None:
    planned = outcome.planned
    assert [[*each] for each in planned.printed] == [["summary"]], "it prints each file that was not right"
    assert planned.requests == [0, 0]
    assert planned.manifests[0] == planned.manifests[1] != ""


def test_no_secret_is_in_the_database_or_a_log(outcome: Outcome) -> None:
    assert outcome.leaks == []
