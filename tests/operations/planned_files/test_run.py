"""Runs of a plan: which files they make, what they request, and what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from attrs import evolve
from impact_jobs import AlreadyRunningError, DestinationExistsError, DownloadResult, Job
from impact_jobs._download.export_journal import ExportJournal, WindowState
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.planned_files.steps import file_key, journal_folder
from impact_jobs._operations.planned_files.values import FileAction, FileFormat, PlannedFile

from tests.operations.planned_files.plans import REPORT, months, planned
from tests.operations.planned_files.runs import Nights, half_year, left_over, manifest, nights
from tests.support.driving import clients

MONTH = {"refresh": timedelta(days=20)}


@pytest.fixture
def night() -> Iterator[Nights]:
    with nights() as opened:
        yield opened


def as_formats(folder: Path) -> list[PlannedFile]:
    """Return a quarter in each format."""
    quarter = months(folder, date(2026, 3, 1), date(2026, 5, 28))
    endings: dict[FileFormat, str] = {"csv": "csv", "json": "jsonl", "parquet": "parquet"}
    return [
        evolve(file, report=name, format=name, path=folder / name / file.path.with_suffix(f".{ending}").name)
        for name, ending in endings.items()
        for file in quarter
    ]


@pytest.mark.parametrize("make", clients)
def test_a_run_makes_the_files_of_each_format_and_the_next_one_sends_nothing(make: Any, tmp_path: Path) -> None:
    files = as_formats(tmp_path / "data")
    with nights(make, json_shape="pages", json_page_rows=40) as night:
        outcome = night.run(files)
        assert {type(each) for each in outcome.outcomes.values()} == {DownloadResult}
        assert outcome.requests == night.sent.total()
        assert outcome.exports == 9
        assert len(night.sandbox.job_ids) == 6, "those of CSV and of Parquet are equal"
        night.sandbox.forget_requests()
        again = night.run(files)
        assert (again.requests, again.outcomes, night.sent.total()) == (0, {}, 0)
        days = {"start_date": "2026-05-01", "end_date": "2026-05-28"}
        for name, result_format in (("may.csv", "CSV"), ("may.jsonl", "JSON")):
            expected = night.jobs.export_and_download(REPORT, tmp_path / name, **days, result_format=result_format)
            made = next(file.path for file in files if file.path.suffix == expected.path.suffix)
            assert made.read_bytes() == expected.path.read_bytes()
    table = pyarrow.parquet.read_table(files[6].path)
    assert table.num_rows == outcome.outcomes[files[6]].rows == outcome.outcomes[files[0]].rows  # type: ignore[union-attr]
    assert left_over(tmp_path) == []


def test_a_window_that_may_be_corrected_is_replayed_once_a_day(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path, **MONTH)
    night.run(files)
    changed = 0
    for _ in range(3):
        night.pass_night()
        outcome = night.run(files)
        (may,) = outcome.outcomes.values()
        assert isinstance(may, DownloadResult)
        changed += may.unchanged is False
        assert outcome.exports == 1
        assert night.run(files).requests == 0
    assert changed
    assert night.sent["Replay"] == 3
    assert night.sent["export"] == 5
    assert manifest(tmp_path)["2026-05.csv"]["job"] == night.sandbox.job_ids[-1]


@pytest.mark.parametrize("account", ["brand", "partner"])
def test_replays_that_keep_the_job_bring_the_corrections(account: str, tmp_path: Path) -> None:
    files = half_year(tmp_path, **MONTH)
    with nights(account=account) as night:
        night.run(files)
        before = files[0].path.read_bytes()
        night.pass_night(2)
        outcome = night.run(files)
        assert night.sent["Replay"] == outcome.exports == 1
        assert night.run(files).requests == 0
        assert len(night.sandbox.job_ids) == 5
        content = b"".join(night.sandbox.result(outcome.steps[0].job_id or "").read())
        assert files[0].path.read_bytes() == content != before


def test_a_file_whose_job_is_not_replayed_stays_and_is_tried_again_the_next_day(night: Nights, tmp_path: Path) -> None:
    (may,) = files = months(tmp_path, date(2026, 5, 1), date(2026, 5, 28), **MONTH)
    night.sandbox.prepare_export(replayable=False)
    night.run(files)
    before = may.path.stat()
    for _ in range(2):
        night.pass_night()
        result = night.run(files).outcomes[may]
        assert isinstance(result, DownloadResult)
        assert (result.fresh, result.unchanged) == (False, True)
        assert night.run(files).requests == 0
    assert may.path.stat() == before
    assert night.sent["Download"] == 1


def test_a_deleted_file_is_downloaded_again_without_an_export(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path)
    night.run(files)
    content = files[2].path.read_bytes()
    files[2].path.unlink()
    night.sandbox.forget_requests()
    outcome = night.run(files)
    assert (outcome.exports, night.sent) == (0, {"get": 1, "Download": 1})
    assert files[2].path.read_bytes() == content


def test_a_window_that_has_grown_is_exported_anew(night: Nights, tmp_path: Path) -> None:
    short, long = (planned(tmp_path, "2026-05-01", end) for end in ("2026-05-27", "2026-05-28"))
    night.run([short])
    outcome = night.run([long])
    assert outcome.outcomes[long].unchanged is False  # type: ignore[union-attr]
    assert manifest(tmp_path)["2026-05.csv"]["end"] == "2026-05-28"


def test_a_file_whose_filters_have_changed_is_replaced(night: Nights, tmp_path: Path) -> None:
    (plain, *_) = files = half_year(tmp_path)
    night.run(files)
    assert night.sent["metadata"] == 0
    filtered = [evolve(file, filters={"New Customer": True}) for file in files]
    outcome = night.run(filtered)
    assert night.sent["metadata"] == 1
    assert {step.why for step in outcome.steps} == {"the filters have changed"}
    entry = manifest(tmp_path)[plain.path.name]
    assert (entry["asked"], entry["filters"]) == ({"New Customer": "true"}, {"NEW_CUSTOMER": "true"})
    assert night.run(filtered).requests == 0
    assert night.run(files).exports == 5


def test_a_file_of_another_origin_stays_and_costs_nothing(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path, **MONTH)
    foreign = tmp_path / "2026-04.csv"
    foreign.write_text("mine")
    outcome = night.run(files)
    assert isinstance(outcome.outcomes[files[1]], DestinationExistsError)
    assert foreign.read_text() == "mine"
    assert outcome.exports == 4
    # One of the same size is noticed before anything is sent to replace it.
    size = files[0].path.stat().st_size
    files[0].path.write_bytes(b"x" * size)
    night.pass_night()
    night.sandbox.forget_requests()
    outcome = night.run(files)
    assert isinstance(outcome.outcomes[files[0]], DestinationExistsError)
    assert night.sent.total() == outcome.exports == 0


def test_a_second_run_at_once_is_told_so(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path / "data")
    folder = journal_folder(night.context.account, tmp_path / "data")
    journal = ExportJournal.open(folder, folder, DownloadOptions())
    with pytest.raises(AlreadyRunningError, match="let it finish"):
        night.run(files)
    journal.close()
    assert night.sent.total() == 0
    assert night.run(files).exports == 5
    journal = ExportJournal.open(folder, folder, DownloadOptions())
    assert night.run(files).requests == 0, "nothing is to be done"
    journal.close()


def test_a_run_without_work_removes_what_an_interrupted_one_has_left(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path / "data")
    night.run(files)
    folder, part = journal_folder(night.context.account, tmp_path / "data"), tmp_path / "data" / "2026-05.csv.part"
    journal = ExportJournal.open(folder, folder, DownloadOptions())
    journal.record(file_key(night.context.account, files[0]), WindowState(is_saving=True))
    journal.close()
    part.hardlink_to(files[0].path)
    part.with_name(f"{part.name}.json").touch()
    assert night.run(files).requests == 0
    assert {path.name for path in (tmp_path / "data").iterdir()} == {
        "manifest.jsonl", *(file.path.name for file in files)
    }  # fmt: skip


def test_a_complete_file_ends_no_work_on_one_of_the_same_name_in_another_area(night: Nights, tmp_path: Path) -> None:
    file, *_ = half_year(tmp_path / "data")
    other = evolve(file, report_id="4123", area=tmp_path / "other", path=tmp_path / "other" / file.path.name)
    night.run([file])
    night.sandbox.prepare_export(seconds=3600.0)
    assert night.run([file, other], timeout=60.0).exports == 1
    night.clock.now += 3600.0
    assert night.run([file, other]).exports == 0


def test_the_news_are_about_the_files(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path)
    news: list[tuple[PlannedFile, object]] = []
    outcome = night.run(files, on_news=lambda *told: news.append(told))
    assert {file for file, told in news if isinstance(told, Job)} == set(files)
    results = {file: told for file, told in news if isinstance(told, DownloadResult)}
    assert {file: result.sha256 for file, result in results.items()} == {
        file: result.sha256 for file, result in outcome.outcomes.items() if isinstance(result, DownloadResult)
    }
    assert [step.action for step in outcome.steps] == [FileAction.EXPORT] * 5
