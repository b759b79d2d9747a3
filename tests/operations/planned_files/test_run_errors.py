"""Failures during a run: one is the outcome of the files that it concerns, and the next run goes on."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import (
    AuthenticationError,
    ConfigurationError,
    DownloadError,
    DownloadResult,
    ExportUncertainError,
    JobFailedError,
    JobsError,
    ReplayUncertainError,
    ReportNotFoundError,
    WaitTimeoutError,
)
from impact_jobs._download.export_journal import ExportJournal, WindowState
from impact_jobs._download.manifest import Manifest
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations import replay as replaying
from impact_jobs._operations.planned_files.run import RunOutcome
from impact_jobs._operations.planned_files.steps import file_key, journal_folder
from impact_jobs._operations.planned_files.values import PlannedFile

from tests.operations.planned_files.plans import months
from tests.operations.planned_files.runs import Nights, half_year, left_over, manifest, nights

EXPORT = re.compile(r"/ReportExport/")


@pytest.fixture
def night() -> Iterator[Nights]:
    with nights() as opened:
        yield opened


def two_reports(folder: Path, **values: Any) -> list[PlannedFile]:
    """Return a month of a report, and so on in turns with another one that has these values."""
    one = half_year(folder / "one")[:3]
    other = half_year(folder / "other", **{"report": "other", **values})[:3]
    return [file for pair in zip(one, other, strict=True) for file in pair]


def kinds(outcome: RunOutcome) -> dict[str, set[type]]:
    """Return the kinds of the outcomes by report."""
    found: dict[str, set[type]] = {}
    for file, each in outcome.outcomes.items():
        found.setdefault(file.report, set()).add(type(each))
    return found


@pytest.mark.parametrize("values", [{"report_id": "none_such"}, {"report_id": "none_such", "format": "parquet"}])
def test_an_unknown_report_fails_its_own_files_with_one_request(
    values: dict[str, Any], night: Nights, tmp_path: Path
) -> None:
    outcome = night.run(two_reports(tmp_path, **values))
    assert kinds(outcome) == {"actions": {DownloadResult}, "other": {ReportNotFoundError}}
    refused = [request for request in night.sandbox.requests if "none_such" in request.path]
    assert len(refused) == 1
    assert left_over(tmp_path) == []
    assert not (tmp_path / "other").exists()


def test_an_unknown_filter_fails_the_files_of_its_report(night: Nights, tmp_path: Path) -> None:
    outcome = night.run(two_reports(tmp_path, filters={"Colour": "red"}))
    assert kinds(outcome) == {"actions": {DownloadResult}, "other": {ConfigurationError}}
    assert night.sent["metadata"] == 1


def test_a_token_that_is_not_accepted_fails_all_files_with_one_request(night: Nights, tmp_path: Path) -> None:
    night.sandbox.answer_next("GET", EXPORT, status=401, times=1)
    outcome = night.run(two_reports(tmp_path, report_id="sandbox_partner_listing"))
    assert kinds(outcome) == {"actions": {AuthenticationError}, "other": {AuthenticationError}}
    assert night.sent.total() == 2, "the list, and the first export"
    assert left_over(tmp_path) == []


def test_a_server_that_fails_ends_the_exports_of_all_reports(night: Nights, tmp_path: Path) -> None:
    files = two_reports(tmp_path, report_id="sandbox_partner_listing")
    night.sandbox.answer_next("GET", EXPORT, status=503, times=night.context.retry.attempts)
    outcome = night.run(files)
    assert kinds(outcome) == {"actions": {ExportUncertainError}, "other": {ExportUncertainError}}
    assert kinds(night.run(files)) == {"actions": {DownloadResult}, "other": {DownloadResult}}


def test_a_job_that_fails_does_not_stop_the_others_and_is_tried_again_by_the_next_run(
    night: Nights, tmp_path: Path
) -> None:
    files = half_year(tmp_path)
    night.sandbox.prepare_export()
    night.sandbox.prepare_export(status="FAILED", message="Out of memory.", replayable=False)
    outcome = night.run(files)
    failed = [file for file, each in outcome.outcomes.items() if isinstance(each, JobFailedError)]
    assert failed == [files[1]]
    assert left_over(tmp_path) == []
    night.sandbox.forget_requests()
    assert set(night.run(files).outcomes) == {files[1]}


def test_the_next_run_goes_on_with_jobs_that_were_not_done_in_time(tmp_path: Path) -> None:
    files = half_year(tmp_path)
    with nights(job_seconds=1000) as night:
        outcome = night.run(files, timeout=60)
        assert {type(each) for each in outcome.outcomes.values()} == {WaitTimeoutError}
        assert not list(tmp_path.glob("*.csv"))
        again = night.run(files)
        assert {step.why for step in again.steps} == {"its job is known"}
        assert {type(each) for each in again.outcomes.values()} == {DownloadResult}
        assert len(night.sandbox.exports) == 5
    assert left_over(tmp_path) == []


def test_a_job_of_an_interrupted_run_that_is_too_old_by_now_is_replayed(tmp_path: Path) -> None:
    (may,) = files = months(tmp_path, date(2026, 5, 1), date(2026, 5, 28), refresh=timedelta(days=20))
    with nights(job_seconds=1000) as night:
        night.run(files, timeout=60)
        night.pass_night()
        outcome = night.run(files)
        assert isinstance(outcome.outcomes[may], DownloadResult)
        assert (night.sent["export"], night.sent["Replay"]) == (1, 1)
        assert night.run(files).requests == 0


class TestLostReplays:
    """A process that ended between the record of a replay and that of its answer."""

    @pytest.fixture
    def may(self, tmp_path: Path) -> PlannedFile:
        (file,) = months(tmp_path, date(2026, 5, 1), date(2026, 5, 28), refresh=timedelta(days=20))
        return file

    def interrupt(self, night: Nights, may: PlannedFile) -> None:
        """Make a file that is due, and record that its replay is about to be sent."""
        night.run([may])
        night.pass_night()
        folder, account = journal_folder(night.context.account, may.area), night.context.account
        journal = ExportJournal.open(folder, folder, DownloadOptions())
        job_id = manifest(may.area)[may.path.name]["job"]
        state = WindowState(window=str(may.window), job_id=job_id, replay_sent_at=night.clock_moment)
        journal.record(file_key(account, may), state)
        journal.close()

    @pytest.mark.parametrize("clock_set_back", [0.0, 3600.0])
    def test_one_that_was_accepted_is_not_sent_again(
        self, clock_set_back: float, night: Nights, may: PlannedFile
    ) -> None:
        self.interrupt(night, may)
        night.jobs.replay(manifest(may.area)[may.path.name]["job"])
        night.context.replay_claims._claimed.clear()  # as in another process
        night.set_clock_back(clock_set_back)
        outcome = night.run([may])
        assert isinstance(outcome.outcomes[may], DownloadResult)
        assert night.sent["Replay"] == 1
        assert manifest(may.area)[may.path.name]["job"] == night.sandbox.job_ids[-1]
        assert left_over(may.area) == []

    def test_one_that_was_not_accepted_is_sent_again(self, night: Nights, may: PlannedFile) -> None:
        self.interrupt(night, may)
        result = night.run([may]).outcomes[may]
        assert isinstance(result, DownloadResult)
        assert result.fresh
        assert night.sent["Replay"] == 1

    def test_one_that_is_uncertain_leaves_the_older_file_for_the_day(self, night: Nights, may: PlannedFile) -> None:
        self.interrupt(night, may)
        for _ in range(2):
            night.sandbox.add_job()  # either may be it
        for _ in range(2):
            result = night.run([may]).outcomes[may]
            assert isinstance(result, DownloadResult)
            assert (result.fresh, result.unchanged) == (False, True)
        assert night.sent["Replay"] == 0
        night.pass_night()
        assert night.run([may]).exports == night.sent["Replay"] == 1
        assert left_over(may.area) == []


def test_a_replay_whose_answer_is_lost_leaves_the_older_file_for_the_day(
    night: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (may,) = files = months(tmp_path, date(2026, 5, 1), date(2026, 5, 28), refresh=timedelta(days=20))
    night.run(files)
    night.pass_night()

    async def lose(*_: object) -> None:
        raise ReplayUncertainError("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", [], cause="cut")

    with monkeypatch.context() as patch:
        patch.setattr(replaying, "_replay_once", lose)
        outcome = night.run(files)
    assert outcome.exports == 1
    assert outcome.outcomes[may].fresh is False  # type: ignore[union-attr]
    night.clock.now += 300
    assert night.run(files).outcomes[may].fresh is True, "no job has appeared, so it is sent again"  # type: ignore[union-attr]
    assert night.sent["Replay"] == 1


def test_a_disk_that_cannot_be_written_fails_the_files_there_without_an_export(night: Nights, tmp_path: Path) -> None:
    files = half_year(tmp_path / "data")
    (tmp_path / "data").write_text("a file where a folder should be")
    outcome = night.run(files)
    assert all(isinstance(each, JobsError) for each in outcome.outcomes.values())
    assert (len(outcome.outcomes), night.sent.total()) == (5, 0)


def test_a_file_that_vanishes_elsewhere_meanwhile_is_made_by_the_next_run(
    night: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = half_year(tmp_path / "one")[:1] + half_year(tmp_path / "other")[:1]
    night.run(files)
    files[0].path.unlink()
    opened = ExportJournal.open

    def open_journal(*arguments: Any) -> ExportJournal:
        files[1].path.unlink()
        return opened(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ExportJournal, "open", open_journal)
        assert list(night.run(files).outcomes) == files[:1]
    assert list(night.run(files).outcomes) == files[1:]


def test_a_refusal_that_cannot_be_recorded_fails_nothing(
    night: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = half_year(tmp_path, refresh=timedelta(days=20))[:1]
    night.sandbox.prepare_export(replayable=False)
    night.run(files)
    night.pass_night()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Manifest, "append", fail)
    (kept,) = night.run(files).outcomes.values()
    assert isinstance(kept, DownloadResult)
    assert kept.fresh is False


def test_a_journal_that_cannot_be_written_any_more_fails_one_file(
    night: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = half_year(tmp_path)
    night.sandbox.prepare_export(status="FAILED", replayable=False)
    record = ExportJournal.record

    def fill(journal: ExportJournal, key: str, state: WindowState) -> None:
        if state.is_empty:  # the failed job is given up
            raise DownloadError("no space is left")
        record(journal, key, state)

    monkeypatch.setattr(ExportJournal, "record", fill)
    outcomes = night.run(files).outcomes
    assert isinstance(outcomes[files[0]], JobFailedError)
    assert all(isinstance(outcomes[file], DownloadResult) for file in files[1:])


def test_each_error_is_reported(night: Nights, tmp_path: Path) -> None:
    files = [evolve(file, report_id="none_such") for file in half_year(tmp_path)] + half_year(
        tmp_path / "b", filters={"Colour": 1}, report="b"
    )
    told = dict[PlannedFile, object]()
    night.run(files, on_news=told.__setitem__)
    assert {type(each) for each in told.values()} == {ReportNotFoundError, ConfigurationError}
    assert len(told) == 10
