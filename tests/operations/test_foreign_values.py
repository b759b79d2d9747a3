"""Numbers, dates and texts of numpy, pandas and the like: accepted where they mean one value, refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import ConfigurationError, Polling, Retry
from impact_jobs._dates import Window
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.foreign import NO_DATES, NO_NUMBERS, Datetime64, Float32, Int64, Timestamp


class Text(str):
    """Text of another class, such as numpy's."""

    __slots__ = ()


CALLS: dict[str, Callable[[AnyClient, str, Path, Any], object]] = {
    "wait": lambda jobs, job, _, bad: jobs.wait(job, bad),
    "wait_all": lambda jobs, job, _, bad: jobs.wait_all([job], bad),
    "wait_all, by job": lambda jobs, job, _, bad: jobs.wait_all([job], {job: bad}),
    "as_completed": lambda jobs, job, _, bad: list(jobs.as_completed([job], bad)),
    "wait_and_download": lambda jobs, job, folder, bad: jobs.wait_and_download(job, folder / "a", timeout=bad),
    "fetch_all": lambda jobs, job, folder, bad: jobs.fetch_all([job], folder, timeout=bad),
    "connections": lambda jobs, job, folder, bad: jobs.download(job, folder / "a", connections=bad),
    "concurrency": lambda jobs, job, folder, bad: jobs.fetch_all([job], folder, concurrency=bad),
    "request_timeout": lambda jobs, _job, _, bad: jobs.with_options(request_timeout=bad),
    "a job": lambda jobs, _job, _, bad: jobs.get(bad),
    "jobs": lambda jobs, _job, _, bad: jobs.wait_all([bad]),
}
SETTINGS: dict[str, Callable[[Any], object]] = {
    "attempts": lambda bad: Retry(attempts=bad),
    "base_delay": lambda bad: Retry(base_delay=bad),
    "max_delay": lambda bad: Retry(max_delay=bad),
    "minimum": lambda bad: Polling(minimum=bad),
    "maximum": lambda bad: Polling(maximum=bad),
    "request_cost": lambda bad: Polling(request_cost=bad),
    "error_grace": lambda bad: Polling(error_grace=bad),
}


def test_what_is_not_a_number_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(status="RUNNING")
    for what, call in CALLS.items():
        for name, bad in NO_NUMBERS.items():
            with pytest.raises(ConfigurationError) as raised:
                call(jobs, job_id, tmp_path, bad)
            assert "\n" not in str(raised.value), (what, name)
    assert sandbox.requests == ()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("bad", NO_NUMBERS)
def test_what_is_not_a_number_is_refused_as_a_setting(setting: str, bad: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting}="):
        SETTINGS[setting](NO_NUMBERS[bad])


@pytest.mark.parametrize("bound", ["created_after", "created_before"])
def test_what_is_not_a_date_is_refused_before_any_request(bound: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    for bad in NO_DATES.values():
        with pytest.raises(ConfigurationError, match=bound):
            list(jobs.list(**{bound: bad}))
    assert sandbox.requests == ()


def test_numbers_of_other_types_are_accepted_and_kept_as_pythons_own() -> None:
    retry = Retry(attempts=Int64(3), base_delay=Float32(0.5), max_delay=Decimal("2.5"))  # type: ignore[arg-type]
    polling = Polling(minimum=Fraction(1, 2), maximum=Int64(60), request_cost=Float32(2))  # type: ignore[arg-type]
    assert (repr(retry), repr(polling)) == (
        "Retry(attempts=3, base_delay=0.5, max_delay=2.5, stops_at_quota=False)",
        "Polling(minimum=0.5, maximum=60, request_cost=2.0, error_grace=None, history=None)",
    )


def test_every_verb_accepts_numbers_and_texts_of_other_types(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = Text(sandbox.add_job())
    patient = jobs.with_options(request_timeout=Int64(20))
    assert patient.get(job_id).id == job_id
    for timeout in (Int64(5), Float32(5), Decimal(5), Fraction(5), 10**400):
        assert patient.wait(job_id, timeout).id == job_id
        assert list(patient.wait_all([job_id], {job_id: timeout})) == [job_id]
        assert [job.id for job in patient.as_completed([job_id], timeout)] == [job_id]
    done = patient.wait_and_download(job_id, tmp_path / "a.csv", timeout=Int64(5), connections=Int64(2))
    assert done.bytes_written == 300_000
    report = patient.fetch_all([job_id], Text(tmp_path / "b"), concurrency=Int64(2), connections=Int64(2))
    assert len(report.files) == 1


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (Timestamp(2026, 5, 29, 12, 30), datetime(2026, 5, 29, 12, 30, tzinfo=UTC)),
        (Timestamp(2026, 5, 29, 12, 30, tzinfo=UTC), datetime(2026, 5, 29, 12, 30, tzinfo=UTC)),
        (Datetime64("2026-05-29T12:30:00.000000000"), datetime(2026, 5, 29, 12, 30, tzinfo=UTC)),
        (Datetime64("2026-05-29T12"), datetime(2026, 5, 29, 12, tzinfo=UTC)),
        (Datetime64("2026-05-29"), date(2026, 5, 29)),
    ],
)
def test_dates_of_other_types_mean_the_same(given: Any, same: date) -> None:
    window = Window.create(given, given)
    assert window == Window.create(same, same)
    assert type(window.exactly_after) in {type(None), datetime}


def test_the_sandbox_accepts_numbers_of_other_types() -> None:
    options: dict[str, Any] = {
        "seed": Int64(7), "job_seconds": Float32(0), "result_bytes": Int64(2_000), "link_seconds": Decimal(60),
        "hourly_budget": Int64(100), "page_size": Int64(1), "port": Int64(0), "list_shape": "pages",
    }  # fmt: skip
    with Sandbox(**options) as sandbox, sandbox.client(retry=Retry(base_delay=0.0)) as jobs:
        made: dict[str, Any] = {"seconds": Float32(0), "result_bytes": Int64(900), "age": Int64(5)}
        job_id = sandbox.add_job(**made)
        running = sandbox.add_job(status="RUNNING", stuck_at=Int64(40))  # type: ignore[arg-type]
        sandbox.answer_next("GET", "/Jobs", status=Int64(503), times=Int64(1))  # type: ignore[arg-type]
        assert [job.id for job in jobs.list()] == [job_id, running]
        assert jobs.get(running).percentage_complete == 40
        sandbox.cut_next_download(Int64(100))  # type: ignore[arg-type]
        with jobs.open(job_id) as file:
            assert len(file.read()) == 900


@pytest.mark.parametrize("option", ["seed", "job_seconds", "result_bytes", "page_size", "port", "hourly_budget"])
@pytest.mark.parametrize("bad", ["NaT", "NA", "text"])
def test_the_sandbox_refuses_what_is_not_a_number(option: str, bad: str) -> None:
    options: dict[str, Any] = {option: "many" if bad == "text" else NO_NUMBERS[bad]}
    with pytest.raises(ValueError, match=r"not a (whole )?number"):
        Sandbox(**options)
