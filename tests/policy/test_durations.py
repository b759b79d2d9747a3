"""What finished jobs teach of those to come."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, Job, JobStatus, JobType, Polling
from impact_jobs._policy.durations import PRIOR, DurationModel, History, learn_history

BEGUN = datetime(2026, 5, 29, tzinfo=UTC)


def finished(seconds: float, *, kind: JobType | str | None = "Export", **changes: Any) -> Job:
    return Job(
        id="past",
        status=JobStatus.COMPLETED,
        **{"type": kind, "created_date": BEGUN, "completed_date": BEGUN + timedelta(seconds=seconds), **changes},
    )


def learned(jobs: Sequence[Job]) -> History:
    history = learn_history(jobs)
    assert history is not None
    return history


def test_what_is_usual_is_what_the_vendor_says() -> None:
    assert PRIOR.median == pytest.approx(5.0)
    assert PRIOR.survival(3600) == pytest.approx(1 / 270, rel=0.1)


@given(st.lists(st.floats(0, 1e9), max_size=20), st.floats(0, 1e300), st.floats(0, 1e300))
def test_the_longer_the_fewer_outlast_it(seconds: list[float], shorter: float, longer: float) -> None:
    lengths = DurationModel.fit(seconds)
    shorter, longer = sorted((shorter, longer))
    assert 1.0 >= lengths.survival(shorter) >= lengths.survival(longer) > 0.0
    assert lengths.survival(0.0) == 1.0


def test_few_jobs_teach_little_and_many_much() -> None:
    medians = [DurationModel.fit([60.0] * count).median for count in (0, 1, 3, 100)]
    shapes = [DurationModel.fit([60.0] * count).shape for count in (0, 1, 3, 100, 10_000)]
    assert medians == sorted(medians)
    assert medians[-1] == pytest.approx(60, rel=0.01)
    assert shapes == sorted(shapes)
    assert shapes[-1] == 10.0


def test_each_type_is_learned_by_itself() -> None:
    jobs = [finished(60, kind=JobType.APIREPORT), finished(3600, kind="ClickExport")] * 50
    history = learned(jobs)
    assert history.model_for(JobType.APIREPORT).median == pytest.approx(60, rel=0.01)
    assert history.model_for("ClickExport").median == pytest.approx(3600, rel=0.02)
    assert history.model_for("never seen") is PRIOR
    assert history.model_for(None) is PRIOR


@pytest.mark.parametrize(
    "job",
    [
        finished(-1),
        finished(5, created_date=None),
        finished(5, completed_date=None),
        finished(5, kind=None),
    ],
    ids=["reversed", "not created", "not completed", "without type"],
)
def test_a_job_that_teaches_nothing_is_passed_over(job: Job) -> None:
    assert learned([job]) == History(())


def test_a_polling_with_a_history_is_a_value() -> None:
    jobs = [finished(seconds) for seconds in (50, 60, 70)]
    polling = Polling(history=iter(jobs))
    assert polling == Polling(history=jobs) == Polling(history=polling.history)
    assert hash(polling) == hash(Polling(history=jobs))
    assert pickle.loads(pickle.dumps(polling)) == polling  # noqa: S301 - our own bytes
    assert polling != Polling()


@pytest.mark.parametrize("wrong", ["jobs", 5, [1], [None], b"x", {"Id": "x"}, object()])
def test_a_history_of_something_else_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"history=.*: give finished jobs"):
        Polling(history=wrong)
