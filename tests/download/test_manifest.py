"""The manifest of a folder: appended by several threads and after crashes, read leniently."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError
from impact_jobs._download import manifest as module
from impact_jobs._download.manifest import MANIFEST_NAME, Manifest, ManifestEntry


def entry(file: str = "a.csv", **values: object) -> ManifestEntry:
    return ManifestEntry(file=file, **values)  # type: ignore[arg-type] # of the tests


def test_the_last_line_about_a_file_counts(tmp_path: Path) -> None:
    manifest = Manifest.read(tmp_path)
    assert manifest.entries == {}
    filters: dict[str, Any] = {"filters": {"SUBAID": "1"}, "asked": {"Program": "1"}}
    manifest.append(entry(job="j1", start=date(2026, 5, 1), **filters, rows=3, bytes=10, sha256="ab"))
    manifest.append(entry("b.csv", job="j2"))
    manifest.append(entry(job="j3"))
    found = Manifest.read(tmp_path)
    assert found.entries == manifest.entries
    assert list(found.entries) == ["b.csv", "a.csv"]
    assert found.by_job() == {"j2": found.entries["b.csv"], "j3": found.entries["a.csv"]}, "not of the first any more"
    first = json.loads((tmp_path / MANIFEST_NAME).read_text().splitlines()[0])
    assert first.pop("written")
    assert first == {
        "file": "a.csv", "job": "j1", "start": "2026-05-01", "rows": 3, "bytes": 10, "sha256": "ab", **filters,
    }  # fmt: skip


def test_unknown_keys_and_values_are_kept(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{"file": "a.csv", "note": "mine", "rows": "many"}\n')
    manifest = Manifest.read(tmp_path)
    assert manifest.entries["a.csv"].extra == {"note": "mine", "rows": "many"}
    manifest.append(entry(rows=7))
    last = json.loads((tmp_path / MANIFEST_NAME).read_text().splitlines()[-1])
    assert (last["note"], last["rows"]) == ("mine", 7)


@given(cut=st.integers(0, 200))
def test_a_torn_line_is_ignored_and_does_not_harm_the_next(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("torn")
    manifest = Manifest.read(folder)
    manifest.append(entry("a.csv"))
    size = (folder / MANIFEST_NAME).stat().st_size
    manifest.append(entry("b.csv", sha256="c" * 40))
    os.truncate(folder / MANIFEST_NAME, min(size + cut, (folder / MANIFEST_NAME).stat().st_size))
    Manifest.read(folder).append(entry("c.csv"))
    assert {"a.csv", "c.csv"} <= Manifest.read(folder).entries.keys()


def test_threads_append_without_tearing_lines(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: Manifest.read(tmp_path).append(entry(f"{number}.csv")), range(40)))
    assert len(Manifest.read(tmp_path).entries) == 40


def test_what_another_process_appends_is_read(tmp_path: Path) -> None:
    mine, other = Manifest.read(tmp_path), Manifest.read(tmp_path)
    for number in range(3):
        other.append(entry(f"{number}.csv"))
        mine.refresh()
        assert len(mine.entries) == number + 1
    (tmp_path / MANIFEST_NAME).write_text('{"file": "x.csv"}')
    mine.refresh()
    assert list(mine.entries) == ["x.csv"], "it was replaced"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest.read(tmp_path)
    manifest.append(entry())
    before = (tmp_path / MANIFEST_NAME).read_bytes()

    class Full(FileIO):
        def write(self, data: object, /) -> int:
            return super().write(bytes(data)[:5])  # type: ignore[call-overload] # bytes

    def open_full(path: Path, *_: object, **__: object) -> FileIO:
        return Full(os.open(path, os.O_RDWR | os.O_APPEND), "r+")

    monkeypatch.setattr(module, "open_safely", open_full)
    with pytest.raises(OSError, match="No space"):
        manifest.append(entry("b.csv"))
    assert (tmp_path / MANIFEST_NAME).read_bytes() == before


def test_an_unreadable_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).symlink_to("elsewhere")
    with pytest.raises(ConfigurationError, match=f"{MANIFEST_NAME}' could not be read: {os.strerror(errno.ELOOP)}"):
        Manifest.read(tmp_path)


def test_an_entry_describes_its_file_until_that_changes(tmp_path: Path) -> None:
    path, manifest = tmp_path / "a.csv", Manifest.read(tmp_path)
    path.write_text("12")
    manifest.append(entry(bytes=2))
    found = manifest.entries["a.csv"]
    assert found.describes(path)
    path.write_text("123")
    assert not found.describes(path)
    assert not found.describes(tmp_path / "b.csv")
    assert not entry(bytes=2).describes(path)
