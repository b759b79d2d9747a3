"""What is to be done about each file of a plan, by its manifest, its bytes and the clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import ConfigurationError, DestinationExistsError
from impact_jobs._account_kinds import BRAND
from impact_jobs._download.export_journal import CompleteFile, ExportJournal, WindowState, size_of
from impact_jobs._download.manifest import MANIFEST_NAME
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.planned_files.steps import decide, file_key, is_current, journal_folder, required_since
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs.models import Job, JobStatus

from tests.operations.planned_files.plans import ACCOUNT, DAY, content_of, entry_of, make, moment, planned

KEEP, EXPORT, REFRESH, DOWNLOAD = FileAction
NOW = moment("2026-05-29T05:00")
TODAY, YESTERDAY = moment("2026-05-29T01:00"), moment("2026-05-28T05:00")
JOB = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@pytest.fixture
def file(tmp_path: Path) -> PlannedFile:
    return planned(tmp_path, "2026-05-01", "2026-05-28", refresh=30 * DAY, filters={"Campaign": 1234})


def step_of(file: PlannedFile, *others: PlannedFile, **states: WindowState) -> FileStep:
    """Return the step of a file; the states are those of its area, by key, or by "own" for that of the file."""
    own = {file_key(ACCOUNT, file): state for name, state in states.items() if name == "own"}
    return decide(ACCOUNT, [file, *others], now=NOW, states={file.area: states | own})[0]


def found(step: FileStep) -> tuple[FileAction, str]:
    assert step.error is None
    return step.action, step.why


def test_a_right_file_is_kept(file: PlannedFile) -> None:
    entry = make(file, TODAY)
    step = step_of(file)
    assert (step.action, step.why, step.job_id) == (KEEP, "", entry.job)
    assert step.result is not None
    assert (step.result.path, step.result.sha256, step.result.fresh) == (file.path, entry.sha256, True)
    assert (step.exports, step.requests) == (0, 0)


def test_a_missing_file_is_exported(file: PlannedFile) -> None:
    step = step_of(file)
    assert found(step) == (EXPORT, "missing")
    assert (step.job_id, step.result) == (None, None)


@pytest.mark.parametrize(
    ("made", "end", "refresh", "expected"),
    [
        ("2026-05-28T23:59", "2026-05-28", 0, (REFRESH, "the window was not over")),
        ("2026-05-29T00:00", "2026-05-28", 0, (KEEP, "")),
        ("2026-05-28T23:59", "2026-05-20", 30, (REFRESH, "may change until 2026-06-19")),
        ("2026-05-29T00:00", "2026-05-20", 30, (KEEP, "")),
        ("2026-05-15T23:59", "2026-05-01", 15, (REFRESH, "may change until 2026-05-16")),
        ("2026-05-16T00:00", "2026-05-01", 15, (KEEP, "")),
        ("2026-04-02T00:00", "2026-04-01", 0, (KEEP, "")),
        ("2026-04-01T23:59", "2026-04-01", 0, (REFRESH, "the window was not over")),
        ("2026-05-28T23:59", "2026-05-20", 10**8, (REFRESH, "may change until 9999-12-31")),
    ],
)
def test_a_file_is_refreshed_while_its_rows_are_corrected_and_once_after_that(
    tmp_path: Path, made: str, end: str, refresh: int, expected: tuple[FileAction, str]
) -> None:
    file = planned(tmp_path, "2026-04-01", end, refresh=timedelta(refresh))
    entry = make(file, moment(made))
    step = step_of(file)
    assert found(step) == expected
    assert step.job_id == entry.job
    assert step.result is not None
    assert step.result.fresh == (step.action is KEEP)
    file.path.unlink()
    assert found(step_of(file)) == ((DOWNLOAD, "the file was deleted") if step.action is KEEP else expected)
    assert step_of(file).job_id == entry.job


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"filters": {"Campaign": 5}}, "the filters have changed"),
        ({"filters": {}}, "the filters have changed"),
        ({"format": "json"}, "the format has changed"),
    ],
)
def test_a_change_of_the_plan_is_noticed(file: PlannedFile, values: dict[str, Any], why: str) -> None:
    make(file, TODAY)
    step = step_of(evolve(file, **values))
    assert found(step) == (EXPORT, why)
    assert step.result is not None, "it stays until the new one is there"
    file.path.unlink()
    assert found(step_of(evolve(file, **values))) == (EXPORT, "missing")


def test_filters_are_compared_as_text(file: PlannedFile) -> None:
    file = evolve(file, filters={"Campaign": "1234", "Is New": True})
    make(file, TODAY)
    assert step_of(evolve(file, filters={"Is New": "true", "Campaign": 1234})).action is KEEP


def test_a_file_of_an_export_without_a_plan_is_kept_if_it_has_no_filters(file: PlannedFile) -> None:
    make(file, TODAY, asked=None, filters={"SUBAID": "1234"})
    assert found(step_of(file)) == (EXPORT, "the filters have changed")
    file = evolve(file, filters={})
    make(file, TODAY, asked=None, filters={})
    assert step_of(file).action is KEEP


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (("2026-05-01", "2026-05-27"), (EXPORT, "ends later: it holds the days until 2026-05-27")),
        (("2026-05-02", "2026-05-28"), (EXPORT, "the days have changed: it holds 2026-05-02 to 2026-05-28")),
        (("2026-05-02", "2026-05-29"), (EXPORT, "the days have changed: it holds 2026-05-02 to 2026-05-29")),
        (("2026-04-30", "2026-05-28"), (KEEP, "")),
        (("2026-05-01", "2026-05-31"), (KEEP, "")),
        (("2026-04-01", "2026-05-28"), (EXPORT, "the split has changed: it holds 2026-04-01 to 2026-05-28")),
    ],
)
def test_the_days_of_a_file_are_compared(
    file: PlannedFile, held: tuple[str, str], expected: tuple[FileAction, str]
) -> None:
    april = planned(file.area, "2026-04-01", "2026-04-29")
    make(file, TODAY, start=held[0], end=held[1])
    assert found(step_of(file, april)) == expected


def test_a_file_of_more_days_is_replaced_once_it_is_due(file: PlannedFile) -> None:
    make(file, YESTERDAY, end="2026-05-29")
    step = step_of(file)
    assert found(step) == (EXPORT, "the window was not over")
    assert step.job_id is None, "whose replay has other days"


def test_an_entry_without_days_job_or_dates_is_exported_again(file: PlannedFile) -> None:
    make(file, TODAY, start=None)
    assert found(step_of(file)) == (EXPORT, "its days are not known")
    make(file, TODAY, job=None)
    assert step_of(file).action is KEEP
    undated = evolve(entry_of(file, TODAY), job=None, created=None, completed=None)
    (file.area / MANIFEST_NAME).write_text(undated.line())
    assert found(step_of(file)) == (EXPORT, "the window was not over")
    (file.area / MANIFEST_NAME).write_text(evolve(entry_of(file, TODAY), created=None).line())
    assert step_of(file).action is KEEP, "by when the job completed"


def test_a_replay_that_leaves_the_date_of_creation_is_seen_by_when_the_job_started(file: PlannedFile) -> None:
    make(file, YESTERDAY - 60 * DAY, started=TODAY)
    assert step_of(file).action is KEEP
    make(file, YESTERDAY + timedelta(hours=5, minutes=1), started=TODAY + timedelta(hours=5))
    assert step_of(file).action is KEEP, "each night takes a few seconds more or less to send its replay"
    make(file, YESTERDAY + timedelta(hours=18), started=TODAY)
    assert step_of(file).action is REFRESH, "it was queued, and its rows may be those of yesterday"


def test_a_replay_is_not_tried_again_while_a_refusal_holds(file: PlannedFile) -> None:
    make(file, YESTERDAY, refused=TODAY)
    step = step_of(file)
    assert found(step) == (KEEP, "the server does not replay its job")
    assert step.result is not None
    assert step.result.fresh is False
    make(file, YESTERDAY, refused=YESTERDAY)
    assert step_of(file).action is REFRESH
    make(file, YESTERDAY, refused=TODAY)
    file.path.unlink()
    assert step_of(file).action is DOWNLOAD


def test_a_file_of_another_origin_is_an_error(file: PlannedFile) -> None:
    file.path.write_text("mine")
    for problem in (
        "exists, but this plan has not made it: it is not listed in manifest.jsonl",
        "was changed since this plan made it: it has 4 bytes, and manifest.jsonl states",
    ):
        error = step_of(file).error
        assert isinstance(error, DestinationExistsError)
        assert f"{str(file.path)!r} {problem}" in str(error)
        assert str(error).endswith(". Move it or delete it.")
        make(file, TODAY)
        file.path.write_text("mine")
    for values in ({"account": "IRsouth"}, {"report": "other"}):
        make(file, TODAY, **values)
        assert "holds the report" in str(step_of(file).error)
        file.path.unlink()
        assert found(step_of(file)) == (EXPORT, "missing")


def test_what_cannot_be_examined_is_the_error_of_that_file_alone(file: PlannedFile) -> None:
    good = planned(file.area, "2026-04-01", "2026-04-30")
    folder = evolve(file, path=file.area / "folder")
    folder.path.mkdir()
    below = evolve(file, path=folder.path / "a.csv")
    (folder.path / MANIFEST_NAME).symlink_to("elsewhere")
    decided = decide(ACCOUNT, [folder, below, good], now=NOW)
    assert [type(step.error) for step in decided] == [ConfigurationError, ConfigurationError, type(None)]
    assert "is not a regular file" in str(decided[0].error)
    assert f"{MANIFEST_NAME}' could not be read" in str(decided[1].error)
    assert decided[2].action is EXPORT


def test_the_job_of_an_interrupted_run_is_used(file: PlannedFile) -> None:
    assert found(step_of(file, own=WindowState(job_id=JOB))) == (DOWNLOAD, "its job is known")
    assert found(step_of(file, own=WindowState(sent_at=YESTERDAY))) == (EXPORT, "missing")
    entry = make(file, YESTERDAY)
    assert step_of(file, own=WindowState(job_id=JOB)).job_id == JOB
    ended = WindowState(
        job_id=entry.job, file=CompleteFile(size=entry.bytes or 0, rows=1, sha256=None, completed_at=None)
    )
    assert step_of(file, own=ended).action is REFRESH, "that job's result is the one that is due"
    make(file, TODAY)
    assert step_of(file, own=WindowState(job_id=JOB)).action is KEEP


def test_the_journal_of_another_run_is_read_without_its_lock(
    file: PlannedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found_first,) = decide(ACCOUNT, [file], now=NOW)
    folder = journal_folder(ACCOUNT, file.area)
    journal = ExportJournal.open(folder, folder, DownloadOptions())

    def save_meanwhile(path: Path) -> int | None:
        journal.record(file_key(ACCOUNT, file), WindowState(job_id=JOB, is_saving=True))
        path.write_bytes(b"saved after the journal was read")
        return size_of(path)

    monkeypatch.setattr(f"{decide.__module__}.size_of", save_meanwhile)
    (found_meanwhile,) = decide(ACCOUNT, [file], now=NOW)
    monkeypatch.undo()
    (found_after,) = decide(ACCOUNT, [file], now=NOW)
    journal.close()
    assert found(found_first) == (EXPORT, "missing")
    assert found(found_meanwhile) == found(found_after) == (DOWNLOAD, "its job is known")


def test_a_file_that_an_interrupted_run_has_written_is_ours(file: PlannedFile) -> None:
    file.path.write_bytes(content_of(file, TODAY))
    saving, earlier = WindowState(job_id=JOB, is_saving=True), WindowState(is_saving=True)
    key = file_key(ACCOUNT, evolve(file, window=evolve(file.window, end=YESTERDAY.date() - DAY)))
    assert found(step_of(file, own=saving)) == (DOWNLOAD, "its job is known")
    assert found(step_of(file, **{key: earlier})) == (EXPORT, "an earlier run was interrupted"), "of fewer days"
    assert step_of(file, **{file_key(ACCOUNT, planned(file.area, "2026-04-01", "2026-04-30")): earlier}).error
    size = file.path.stat().st_size
    for listed, is_ours in ((size, True), (size + 1, False)):  # a power cut may lose the entry of a new manifest
        complete = CompleteFile(size=listed, rows=1, sha256=None, completed_at=None)
        assert (step_of(file, own=WindowState(file=complete)).error is None) == is_ours
    entry = make(file, TODAY)
    file.path.write_bytes(b"?" * size)
    assert step_of(file).action is KEEP, "its size alone is compared"
    step = step_of(file, own=evolve(saving, job_id=None))
    assert (*found(step), step.job_id) == (DOWNLOAD, "an earlier run was interrupted", entry.job)
    make(file, TODAY)
    assert step_of(file, own=evolve(saving, job_id=None)).action is KEEP, "its bytes are those of the entry"


def test_a_key_is_that_of_the_place_and_the_request(file: PlannedFile, tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {"report_id": "other"}, {"format": "parquet"}, {"filters": {}}, {"path": tmp_path / "other"},
        {"window": evolve(file.window, end=NOW.date())}, {},
    ]  # fmt: skip
    accounts = [evolve(ACCOUNT, kind=BRAND), evolve(ACCOUNT, base_url="https://other.example")]
    keys = {
        *(file_key(account, file) for account in accounts),
        *(file_key(ACCOUNT, evolve(file, **each)) for each in changes),
    }
    assert len(keys) == 8
    moved = evolve(file, area=tmp_path / "b", path=tmp_path / "b" / file.path.name, refresh=DAY, report="new name")
    assert file_key(ACCOUNT, moved) == file_key(ACCOUNT, file), "a folder may be moved"


def test_a_job_is_current_if_it_is_as_new_as_its_file_must_be(file: PlannedFile) -> None:
    def job(**values: Any) -> Job:
        return Job(id=JOB, status=JobStatus.COMPLETED, **values)

    assert required_since(file, NOW) == moment("2026-05-29T00:00")
    assert is_current(file, job(created_date=TODAY), NOW)
    assert not is_current(file, job(created_date=YESTERDAY, completed_date=TODAY), NOW)
    assert is_current(file, job(completed_date=TODAY), NOW)
    assert not is_current(file, job(), NOW)


def test_no_file_is_read_and_none_is_written(file: PlannedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    make(file, TODAY)
    before = {path.name: path.stat() for path in file.area.iterdir()}
    monkeypatch.setattr(Path, "open", None)
    assert step_of(file).action is KEEP
    assert {path.name: path.stat() for path in file.area.iterdir()} == before
