"""A file of a plan from a job that another scheduler has waited for."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import DestinationExistsError, DownloadResult, JobFailedError, JobsError, ResultNotReadyError
from impact_jobs._operations.planned_files.save import save_planned_file
from impact_jobs._operations.planned_files.values import PlannedFile

from tests.operations.planned_files.plans import REPORT, months
from tests.operations.planned_files.runs import Nights, manifest, nights
from tests.support.driving import asynchronous, blocking

MAY = {"start_date": "2026-05-01", "end_date": "2026-05-28"}


def may(folder: Path, **values: Any) -> PlannedFile:
    (file,) = months(folder, date(2026, 5, 1), date(2026, 5, 28), refresh=timedelta(days=20), **values)
    return file


def save(night: Nights, file: PlannedFile, job: Any) -> DownloadResult:
    found = night.call(save_planned_file(night.context, file, job))
    assert isinstance(found, DownloadResult)
    return found


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (blocking, {}),
        (blocking, {"format": "json"}),
        (asynchronous, {"format": "parquet"}),
        (blocking, {"filters": {"New Customer": True}}),
    ],
)
def test_a_saved_file_is_right_for_the_next_run_and_the_other_way_round(
    make: Any, values: dict[str, Any], tmp_path: Path
) -> None:
    by_save, by_run = may(tmp_path / "a", **values), may(tmp_path / "b", **values)
    with nights(make, json_shape="pages", json_page_rows=40) as night:
        options = {
            "result_format": "JSON" if values.get("format") == "json" else "CSV",
            "filters": values.get("filters"),
        }
        job = night.jobs.export_report(REPORT, **MAY, **options)
        saved = save(night, by_save, job.id)
        night.run([by_run])
        assert night.run([by_save]).requests == 0
        assert by_save.path.read_bytes() == by_run.path.read_bytes()
        assert save(night, by_run, night.jobs.get(job.id)).unchanged
        night.pass_night()
        outcome = night.run([by_save])
    assert saved.rows == manifest(by_run.area)[by_run.path.name]["rows"]
    assert outcome.exports == 1
    assert {path.name for path in (tmp_path / "a").iterdir()} == {by_save.path.name, "manifest.jsonl"}


@pytest.mark.parametrize("values", [{}, {"format": "parquet"}])
def test_a_call_that_was_interrupted_before_the_manifest_may_be_repeated(
    values: dict[str, Any], tmp_path: Path
) -> None:
    file = may(tmp_path, **values)
    with nights() as night:
        job = night.jobs.wait(night.jobs.export_report(REPORT, **MAY))
        save(night, file, job)
        (tmp_path / "manifest.jsonl").unlink()
        save(night, file, job)
        assert night.run([file]).requests == 0


def test_a_file_of_another_origin_stays(tmp_path: Path) -> None:
    file = may(tmp_path)
    file.path.write_text("mine")
    with nights() as night:
        job = night.jobs.wait(night.jobs.export_report(REPORT, **MAY))
        with pytest.raises(DestinationExistsError, match="Move it or delete it"):
            save(night, file, job)
        file.path.unlink()
        save(night, file, job)
        file.path.write_text("mine")
        os.utime(file.path, (0, 0))
        with pytest.raises(DestinationExistsError):
            save(night, file, job)
    assert file.path.read_text() == "mine"


def test_a_job_without_a_result_saves_nothing(tmp_path: Path) -> None:
    file = may(tmp_path / "data")
    with nights() as night:
        running, failed = night.sandbox.add_job(status="RUNNING"), night.sandbox.add_job(status="FAILED")
        for job_id, error in ((running, ResultNotReadyError), (failed, JobFailedError)):
            with pytest.raises(error):
                save(night, file, job_id)
        done = night.sandbox.add_job()
        with pytest.raises(JobsError):
            save(night, evolve(file, report_id="none_such", format="parquet"), done)
    assert not file.area.exists()
