"""A manifest is rewritten without its replaced lines, and no entry is lost: by kills, power cuts or other processes."""

from __future__ import annotations

import errno
import os
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from impact_jobs._download import manifest as module
from impact_jobs._download.filesystem import append_line, lock
from impact_jobs._download.manifest import MANIFEST_NAME, Manifest, ManifestEntry

from tests.faults.file_faults import Call, Effect, Watch
from tests.faults.power_cuts import FILE_SYSTEMS, Recorder

NAMES = ("a.csv", "b.csv", "c.csv")


class KilledError(BaseException):
    """The process ends here."""


@define
class FailingCall:
    """A handler of calls, one of which fails; after a kill, none has an effect, but the system closes the files."""

    moment: int
    failure: BaseException
    calls: int = 0
    has_returned: bool = False

    def __call__(self, call: Call, effect: Effect, _: object) -> Any:
        self.calls += 1
        is_killed = self.calls > self.moment + 1 and isinstance(self.failure, KilledError)
        if call.function == "close":
            return effect()
        if is_killed or self.calls == self.moment + 1:
            raise self.failure
        return effect()


@pytest.fixture(autouse=True)
def few_stale_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_STALE_LINES", 3)


def fill(folder: Path, lines: int) -> Manifest:
    """Append lines about the three files by turns; row 7 is the last one before the manifest is rewritten."""
    manifest = Manifest.read(folder)
    for number in range(manifest._lines, lines):
        manifest.append(ManifestEntry(file=NAMES[number % 3], rows=number, extra={"note": "mine"}))
    return manifest


def rows(folder: Path) -> dict[str, int | None]:
    return {name: entry.rows for name, entry in Manifest.read(folder).entries.items()}


def lines(folder: Path) -> int:
    return len((folder / MANIFEST_NAME).read_bytes().splitlines())


def test_replaced_lines_are_removed_once_they_are_many(tmp_path: Path) -> None:
    reader = Manifest.read(tmp_path)
    manifest = fill(tmp_path, 6)
    reader.refresh()
    (tmp_path / MANIFEST_NAME).chmod(0o640)
    before = manifest.entries
    assert lines(tmp_path) == 6
    manifest.append(ManifestEntry(file="a.csv", rows=6))
    assert lines(tmp_path) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST_NAME]
    assert (tmp_path / MANIFEST_NAME).stat().st_mode & 0o777 == 0o640
    reader.refresh()
    for each in (manifest, reader, Manifest.read(tmp_path)):
        assert list(each.entries) == ["b.csv", "c.csv", "a.csv"]
        assert each.entries["b.csv"] == before["b.csv"], "also when it was written, and what this release does not know"
        assert each.entries["a.csv"].extra == {"note": "mine"}
    for number in range(20):
        reader.append(ManifestEntry(file="a.csv", rows=number))
        assert lines(tmp_path) <= 6
        manifest.refresh()
        assert manifest.entries == reader.entries


def test_a_manifest_of_many_files_is_rewritten_when_half_of_it_is_stale(tmp_path: Path) -> None:
    manifest = Manifest.read(tmp_path)
    for number in range(20):
        manifest.append(ManifestEntry(file=f"{number % 10}.csv"))
    assert lines(tmp_path) == 20
    manifest.append(ManifestEntry(file="0.csv"))
    assert lines(tmp_path) == 10


def test_a_line_is_not_appended_to_a_file_that_was_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process rewrites the manifest between the opening of it and its lock."""
    slow, calls = fill(tmp_path, 6), count()

    def lock_late(file: FileIO) -> bool:
        if next(calls) == 0:
            Manifest.read(tmp_path).append(ManifestEntry(file="b.csv", rows=100))
            assert lines(tmp_path) == 3
        return lock(file)

    monkeypatch.setattr(module, "lock", lock_late)
    slow.append(ManifestEntry(file="c.csv", rows=200))
    assert rows(tmp_path) == {"a.csv": 3, "b.csv": 100, "c.csv": 200}
    assert slow.entries == Manifest.read(tmp_path).entries


def test_a_process_without_a_lock_loses_no_line_and_rewrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = fill(tmp_path, 6)
    monkeypatch.setattr(module, "lock", lambda _: False)
    hurried.append(ManifestEntry(file="a.csv", rows=6))
    assert lines(tmp_path) == 7
    monkeypatch.undo()
    monkeypatch.setattr(module, "_MOST_STALE_LINES", 3)

    def append_late(file: FileIO, text: str) -> None:
        monkeypatch.setattr(module, "append_line", append_line)
        Manifest.read(tmp_path).append(ManifestEntry(file="b.csv", rows=100))
        assert lines(tmp_path) == 3
        append_line(file, text)

    monkeypatch.setattr(module, "append_line", append_late)
    locks = iter([False])
    monkeypatch.setattr(module, "_lock_soon", lambda file: next(locks, True) and lock(file))
    hurried.append(ManifestEntry(file="c.csv", rows=200))
    assert rows(tmp_path) == {"a.csv": 6, "b.csv": 100, "c.csv": 200}


def test_many_processes_append_while_the_manifest_is_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks belong to open files, so threads with a manifest each stand for processes."""
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.001)

    def work(worker: int) -> None:
        manifest = Manifest.read(tmp_path)
        for number in range(12):
            manifest.append(ManifestEntry(file=f"{worker}.{number % 2}.csv", rows=number))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert rows(tmp_path) == {f"{worker}.{number % 2}.csv": number for worker in range(6) for number in (10, 11)}
    assert lines(tmp_path) < 72
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("failure", [KilledError(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_a_kill_or_an_error_at_any_call_loses_no_entry(tmp_path: Path, failure: BaseException) -> None:
    """An append fails only if its line is not written; what fails later leaves the file as it was."""
    fill(tmp_path, 6)
    before, content = rows(tmp_path), (tmp_path / MANIFEST_NAME).read_bytes()
    after, has_left_a_file = before | {"a.csv": 6}, False
    for moment in count():
        folder = tmp_path / str(moment)
        folder.mkdir()
        (folder / MANIFEST_NAME).write_bytes(content)
        manifest, injector = Manifest.read(folder), FailingCall(moment, failure)
        with Watch(folder, injector).installed(), suppress(KilledError, OSError):
            manifest.append(ManifestEntry(file="a.csv", rows=6))
            injector.has_returned = True
        assert rows(folder) in ([after] if injector.has_returned else [before, after])
        if len(list(folder.iterdir())) > 1:
            has_left_a_file = True
            fill(folder, 8)
            assert rows(folder).keys() == {*NAMES}
            assert len(list(folder.iterdir())) == 1, "removed when the manifest is rewritten"
        if injector.calls <= moment:
            assert moment > 15, "the calls were watched"
            assert has_left_a_file, "also a removal has failed"
            return


def test_a_power_cut_at_any_moment_loses_no_entry(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    manifest = fill(folder, 6)
    before, recorder = rows(folder), Recorder(folder)
    with Watch(folder, recorder).installed():
        manifest.append(ManifestEntry(file="a.csv", rows=6))
    after = before | {"a.csv": 6}
    assert lines(folder) == 3
    for length, kind, state in product(range(len(recorder.log) + 1), FILE_SYSTEMS, range(4)):
        disk = recorder.cut(length, kind, random.Random(f"{length}/{kind}/{state}"))  # noqa: S311 - no secret
        disk.create(found := tmp_path / f"{length}.{kind}.{state}")
        assert rows(found) in ([after] if length == len(recorder.log) else [before, after]), recorder.log[:length]
