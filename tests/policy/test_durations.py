"""How long jobs take: the prior, and what finished jobs show."""

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

CREATED = datetime(2026, 5, 29, tzinfo=UTC)


def finished(seconds: float, *, kind: JobType | str | None = "Export", **changes: Any) -> Job:
    return Job(
        id="past",
        status=JobStatus.COMPLETED,
        **{"type": kind, "created_date": CREATED, "completed_date": CREATED + timedelta(seconds=seconds), **changes},
    )


def history_from(jobs: Sequence[Job]) -> History:
    history = learn_history(jobs)
    assert history is not None
    return history


def test_the_prior_matches_the_vendors_figures() -> None:
    assert PRIOR.median == pytest.approx(5.0)
    assert PRIOR.survival(3600) == pytest.approx(1 / 270, rel=0.1)


@given(st.lists(st.floats(0, 1e9), max_size=20), st.floats(0, 1e300), st.floats(0, 1e300))
def test_survival_falls_from_one_as_time_passes(seconds: list[float], shorter: float, longer: float) -> None:
    model = DurationModel.fit(seconds)
    shorter, longer = sorted((shorter, longer))
    assert 1.0 >= model.survival(shorter) >= model.survival(longer) > 0.0
    assert model.survival(0.0) == 1.0


def test_more_finished_jobs_outweigh_the_prior() -> None:
    medians = [DurationModel.fit([60.0] * count).median for count in (0, 1, 3, 100)]
    shapes = [DurationModel.fit([60.0] * count).shape for count in (0, 1, 3, 100, 10_000)]
    assert medians == sorted(medians)
    assert medians[-1] == pytest.approx(60, rel=0.01)
    assert shapes == sorted(shapes)
    assert shapes[-1] == 10.0


def test_each_type_has_its_own_model() -> None:
    jobs = [finished(60, kind=JobType.APIREPORT), finished(3600, kind="ClickExport")] * 50
    history = history_from(jobs)
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
def test_jobs_without_usable_dates_or_type_are_ignored(job: Job) -> None:
    assert history_from([job]) == History(())


def test_polling_with_a_history_is_a_value() -> None:
    jobs = [finished(seconds) for seconds in (50, 60, 70)]
    polling = Polling(history=iter(jobs))
    assert polling == Polling(history=jobs) == Polling(history=polling.history)
    assert hash(polling) == hash(Polling(history=jobs))
    assert pickle.loads(pickle.dumps(polling)) == polling  # noqa: S301 - our own bytes
    assert polling != Polling()


@pytest.mark.parametrize("wrong", ["jobs", 5, [1], [None], b"x", {"Id": "x"}, object()])
def test_a_history_that_does_not_hold_jobs_is_rejected(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"history=.*: give finished jobs"):
        Polling(history=wrong)
