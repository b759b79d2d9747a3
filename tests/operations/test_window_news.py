"""What `on_window` is called with for each window of an export."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import DownloadResult, ExportWindow, Job, JobFailedError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

SPRING: dict[str, Any] = {"start_date": "2025-03-01", "end_date": "2025-05-31", "split": "month"}
News = dict[ExportWindow, list[object]]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0, rows_per_day=2, hourly_budget=None) as started:
        yield started


def export(jobs: AnyClient, folder: Path, **options: Any) -> News:
    """Export three months, and return the news of each."""
    news: News = defaultdict(list)
    jobs.export_and_download(
        "agency_action_listing",
        folder / "{start:%Y-%m}.csv",
        **SPRING | options,
        on_window=lambda window, found: news[window].append(found),
    )
    return news


@pytest.mark.parametrize("options", [{}, {"join": True}], ids=["files", "joined"])
def test_each_window_is_reported_from_its_job_to_its_file(
    options: dict[str, Any], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    news = export(jobs, tmp_path, **options)
    assert sorted(window.start.month for window in news) == [3, 4, 5]
    for window, found in news.items():
        (job_id,) = {each.job_id for each in sandbox.exports if each.start == window.start}
        *snapshots, file = found
        assert snapshots
        assert all(isinstance(job, Job) and job.id == job_id for job in snapshots)
        assert isinstance(file, DownloadResult)
        assert file.job_id == job_id


def test_a_window_that_is_there_is_reported_with_its_file_alone(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    first = export(jobs, tmp_path)
    again = export(jobs, tmp_path)
    assert [[type(each) for each in found] for found in again.values()] == [[DownloadResult]] * 3
    assert set(again) == set(first)
    assert len(sandbox.exports) == 3


def test_a_window_that_fails_is_reported_with_its_error(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.prepare_export(status="FAILED", message="Too many records.", replayable=False)
    news = export(jobs, tmp_path)
    march = min(news, key=lambda window: window.start)
    assert any(isinstance(each, JobFailedError) for each in news[march])
    assert not any(isinstance(each, JobFailedError) for window in news if window != march for each in news[window])


def test_without_split_the_whole_range_is_the_window(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    ((window, found),) = export(jobs, tmp_path, split=None).items()
    assert window == ExportWindow(date(2025, 3, 1), date(2025, 5, 31))
    assert [type(each) for each in (found[0], found[-1])] == [Job, DownloadResult]
    sandbox.prepare_export(status="FAILED", message="Too many records.")
    seen: list[object] = []
    with pytest.raises(JobFailedError) as raised:
        jobs.export_and_download(
            "agency_action_listing",
            tmp_path / "april.csv",
            start_date="2025-04-01",
            end_date="2025-04-30",
            on_window=lambda _, news: seen.append(news),
        )
    assert seen[-1] is raised.value
