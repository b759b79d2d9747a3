"""Generated result files."""

from __future__ import annotations

import csv
import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs.sandbox import ResultFile
from impact_jobs.sandbox._result_file import _BLOCK, _HEADER, _ROW

deterministic = settings(derandomize=True, deadline=None, max_examples=30)

seeds = st.integers(min_value=0, max_value=2**64)
# Sizes around the ends of the header, of the first row and of blocks.
EDGES = (0, len(_HEADER), len(_HEADER) + _ROW, len(_HEADER) + _BLOCK, len(_HEADER) + 2 * _BLOCK)
sizes = st.integers(min_value=0, max_value=3 * _BLOCK) | st.builds(
    lambda edge, offset: max(0, edge + offset), st.sampled_from(EDGES), st.integers(min_value=-2, max_value=2)
)


def content_of(file: ResultFile) -> bytes:
    return b"".join(file.read())


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


@deterministic
@given(seed=seeds, size=sizes)
def test_the_size_and_the_sha256_are_those_of_the_bytes(seed: int, size: int) -> None:
    file = ResultFile(seed, size)
    content = content_of(file)
    assert len(content) == size
    assert file.sha256 == hashlib.sha256(content).hexdigest()


@deterministic
@given(seed=seeds, size=sizes, data=st.data())
def test_a_slice_equals_the_slice_of_the_whole_file(seed: int, size: int, data: st.DataObject) -> None:
    file = ResultFile(seed, size)
    start = data.draw(st.integers(min_value=0, max_value=size + 10))
    stop = data.draw(st.none() | st.integers(min_value=0, max_value=size + 10))
    chunks = list(file.read(start, stop))
    assert b"".join(chunks) == content_of(file)[start:stop]
    assert all(chunks)
    assert all(len(chunk) <= _BLOCK for chunk in chunks)


@deterministic
@given(seed=seeds, size=st.integers(min_value=len(_HEADER) + _ROW, max_value=2 * _BLOCK))
def test_the_file_is_valid_csv_to_its_end(seed: int, size: int) -> None:
    file = ResultFile(seed, size)
    content = content_of(file)
    header, *rows = rows_of(content)
    assert content.endswith(b"\n")
    assert header[0] == "Action_Id"
    assert len(rows) == file.rows
    assert {len(row) for row in rows} == {len(header)}
    assert len({row[0] for row in rows}) == len(rows)


@pytest.mark.parametrize("short_of_a_row", range(1, _ROW))
def test_the_header_is_padded_if_no_row_fits(short_of_a_row: int) -> None:
    file = ResultFile(3, len(_HEADER) + _ROW - short_of_a_row)
    assert len(rows_of(content_of(file))) == 1
    assert file.rows == 0


def test_a_tiny_file_is_the_beginning_of_the_header() -> None:
    assert content_of(ResultFile(1, 13)) == b"Action_Id,Act"
    assert list(ResultFile(1, 0).read()) == []


def test_rows_contain_commas_quotes_and_accents() -> None:
    rows = rows_of(content_of(ResultFile(7, 200_000)))
    assert rows[346][0] == "1000.00000000.0345"
    assert {row[3] for row in rows} >= {"Harbor & Pine, Ltd", 'The "Blue" Door', "Café Lumière"}
    assert {row[7] for row in rows[1:]} == {"USD", "EUR", "GBP"}


def test_the_end_of_a_huge_file_can_be_read_at_once() -> None:
    file = ResultFile(7, 3 * 10**12)
    *_, last = b"".join(file.read(file.size - 300)).splitlines()
    number = file.rows - 1
    assert last.startswith(b"1000.%08d.%04d," % divmod(number, _BLOCK // _ROW))


def test_equal_seeds_and_sizes_give_equal_files() -> None:
    file = ResultFile(7, 5_000)
    assert file == ResultFile(7, 5_000)
    assert content_of(file) == content_of(ResultFile(7, 5_000))
    others = [ResultFile(8, 5_000), ResultFile(7, 5_001)]
    assert all(content_of(file) != content_of(other) for other in others)
    assert len({file.etag, *(other.etag for other in others)}) == 3


def test_the_bytes_never_change_between_releases() -> None:
    # Users may have stored these values. A new layout needs a new number in `etag` and a note in the changelog.
    assert ResultFile(0, 1_000_000).sha256 == "2a7d9244a89aa5321d38f23f716a8faff657873cd75e80af89818cb3ae680601"
    assert ResultFile(0, 1_000_000).etag == '"84602dfcb2f84f4a70e1da110a386aa6"'


@pytest.mark.parametrize("size", [-1, 10**20])
def test_invalid_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        ResultFile(1, size)


def test_negative_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        ResultFile(1, 100).read(-1)
