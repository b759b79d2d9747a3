from __future__ import annotations

import json
import os
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impact_jobs._download.journal import Journal
from impact_jobs._download.ranges import Coverage, Representation
from impact_jobs._transport.headers import Span

MD5 = "rL0Y20zC+Fzt72VPzMSk2A=="
JOURNAL = Journal(
    job_id="3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1",
    representation=Representation(length=100, validator='"v1"'),
    checksums={"md5": MD5},
    content_type="text/csv",
    filename="caf\u00e9 \U0001f4c8.csv",
    coverage=Coverage((Span(0, 10), Span(20, 30))),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv.part.json"


def written(path: Path, **changes: Any) -> Path:
    path.unlink(missing_ok=True)
    JOURNAL.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_a_saved_journal_is_loaded(path: Path) -> None:
    JOURNAL.save(path)
    assert Journal.load(path) == JOURNAL
    assert [found.name for found in path.parent.iterdir()] == [path.name], "and no other file"


def test_it_is_readable_json_without_the_link(path: Path) -> None:
    JOURNAL.save(path)
    text = path.read_text(encoding="ascii")
    assert "http" not in text
    assert json.loads(text)["coverage"] == [[0, 10], [20, 30]]


@given(st.lists(st.integers(1, 100), max_size=20), st.text(max_size=20), st.none() | st.text(max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_journal_survives_a_round_trip(path: Path, edges: list[int], name: str, text: str | None) -> None:
    coverage = Coverage()
    for start, stop in zip(edges[::2], edges[1::2], strict=False):
        coverage = coverage.plus(start, stop)
    journal = Journal(
        job_id=name,
        representation=Representation(length=100, validator=text),
        content_type=text,
        filename=text,
        coverage=coverage,
    )
    journal.save(path)
    assert Journal.load(path) == journal


LATER = evolve(JOURNAL, coverage=Coverage((Span(0, 30),)))


def test_the_last_journal_counts_and_is_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    for number, journal in enumerate((JOURNAL, LATER, JOURNAL), start=1):
        journal.save(path)
        assert Journal.load(path) == journal
        assert (len(synced), synced[-1]) == (number, path.stat().st_size), "synced after it was written"


def test_a_journal_that_is_cut_short_leaves_the_one_before_valid(path: Path) -> None:
    JOURNAL.save(path)
    size = path.stat().st_size
    LATER.save(path)
    whole = path.read_bytes()
    for end in range(size, len(whole) - 1):
        for rest in (b"", bytes(len(whole) - end)):  # a file system may have written the length alone
            path.write_bytes(whole[:end] + rest)
            assert Journal.load(path) == JOURNAL, end
            LATER.save(path)
            assert Journal.load(path) == LATER, "the next one is not joined to what was cut short"


def test_a_journal_never_outgrows_what_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impact_jobs._download.journal._MAX_BYTES", 1000)
    for _ in range(9):
        LATER.save(path)
        assert Journal.load(path) == LATER
    assert path.stat().st_size <= 1000


def test_a_full_disk_fails_and_keeps_the_previous_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    JOURNAL.save(path)
    real = FileIO.write

    class Full(FileIO):
        def write(self, data: Any, /) -> int:
            return real(self, data[:20])

    monkeypatch.setattr("impact_jobs._download.filesystem.FileIO", Full)
    with pytest.raises(OSError, match="No space left"):
        LATER.save(path)
    monkeypatch.undo()
    assert Journal.load(path) == JOURNAL


def test_a_cleared_journal_is_empty_and_synced_if_it_listed_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    Journal.clear(path)
    assert (path.read_bytes(), synced) == (b"", [])
    JOURNAL.save(path)
    Journal.clear(path)
    assert (path.read_bytes(), synced[1:]) == (b"", [0])
    assert Journal.load(path) is None


def test_a_journal_of_an_earlier_version_is_loaded(path: Path) -> None:
    JOURNAL.save(path)
    path.write_text(path.read_text().strip())  # one JSON object, and no newline
    assert Journal.load(path) == JOURNAL


@pytest.mark.parametrize("kind", ["a link", "a link to nothing", "a folder"])
def test_a_journal_is_not_written_through_a_link(kind: str, path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    path.mkdir() if kind == "a folder" else path.symlink_to(precious if kind == "a link" else tmp_path / "nothing")
    with pytest.raises(OSError, match=r"symbolic|directory"):
        JOURNAL.save(path)
    with pytest.raises(OSError, match=r"symbolic|directory"):
        Journal.clear(path)
    assert Journal.load(path) is None
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


def test_a_missing_journal_is_none(path: Path) -> None:
    assert Journal.load(path) is None
    path.mkdir()
    assert Journal.load(path) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"format"', "{}", '{"format": 1}', "[" * 100_000, "\xff", "{" + " " * 70_000 + "}"],
)
def test_an_invalid_file_is_none(text: str, path: Path) -> None:
    path.write_bytes(text.encode("latin-1"))
    assert Journal.load(path) is None


def test_every_truncated_journal_is_none(path: Path) -> None:
    JOURNAL.save(path)
    whole = path.read_bytes()
    for size in range(len(whole) - 1):  # without the newline, it is complete
        path.write_bytes(whole[:size])
        assert Journal.load(path) is None, size


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": "1"},
        {"job_id": 7},
        {"length": None},
        {"length": "100"},
        {"length": -1},
        {"length": 5},
        {"length": 1 << 63},
        {"validator": 7},
        {"validator": ["v"]},
        {"content_type": {}},
        {"filename": 7},
        {"checksums": []},
        {"checksums": None},
        {"checksums": {"crc99": "AAAAAA=="}},
        {"checksums": {"md5": "?"}},
        {"checksums": {"md5": "AAAAAA=="}},
        {"coverage": None},
        {"coverage": {}},
        {"coverage": [[0]]},
        {"coverage": [[0, 10, 20]]},
        {"coverage": [[10, 0]]},
        {"coverage": [[5, 5]]},
        {"coverage": [[-5, 5]]},
        {"coverage": [[0, 101]]},
        {"coverage": [[0, 1e3]]},
        {"coverage": [["0", "10"]]},
        {"coverage": "0-10"},
        {"coverage": [7]},
    ],
)
def test_an_invalid_field_is_none(changes: dict[str, Any], path: Path) -> None:
    assert Journal.load(written(path, **changes)) is None


@pytest.mark.parametrize("coverage", [[[20, 30], [0, 10]], [[0, 10], [5, 25]], [[0, 10], [10, 20]]])
def test_spans_that_save_would_not_write_are_none(coverage: list[list[int]], path: Path) -> None:
    assert Journal.load(written(path, coverage=coverage)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["format", "job_id", "length", "validator", "checksums", "content_type", "filename", "coverage"]
)


@given(st.dictionaries(fields, json_values, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_loaded_journal_is_consistent(path: Path, changes: dict[str, Any]) -> None:
    found = Journal.load(written(path, **changes))
    if found is not None:
        length = found.representation.length
        assert isinstance(length, int)
        assert found.coverage.fits(length)
        assert all(0 <= start < stop for start, stop in found.coverage.spans)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_are_none(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert Journal.load(path) is None
