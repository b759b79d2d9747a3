from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
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


def test_a_failed_save_keeps_the_previous_journal(path: Path) -> None:
    JOURNAL.save(path)
    path.with_name(path.name + ".new").mkdir()
    with pytest.raises(IsADirectoryError):
        JOURNAL.save(path)
    assert Journal.load(path) == JOURNAL


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
    for size in range(len(whole)):
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
