"""Join files of windows: CSV compared with the csv module, JSON with the json module."""

from __future__ import annotations

import csv
import io
import json
import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import DownloadError, IntegrityError
from impact_jobs._download import csv_scanner, json_records
from impact_jobs._download.joining import csv_rows, join_csv, join_json_lines

CELLS = st.lists(st.sampled_from(["a", '"', ",", "\n", "\r\n", " ", "é"]), max_size=5).map("".join)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=6)
HEADER = ["Id", 'A "name",\nquoted']


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("joined")


def write(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number}.txt" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def joined(sources: list[Path], join: Callable[..., int] = join_csv) -> tuple[int, bytes]:
    target = io.BytesIO(b"before")
    target.seek(0, 2)
    rows = join(sources, target)
    assert target.getvalue().startswith(b"before")
    return rows, target.getvalue().removeprefix(b"before")


def as_csv(rows: list[list[str]], newline: str = "\n", quoting: Any = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=newline, quoting=quoting).writerows([HEADER, *rows])
    return text.getvalue()


def parsed(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))


@given(
    tables=st.lists(TABLES, min_size=1, max_size=4),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    endings=st.lists(st.sampled_from(["", "once", "twice"]), min_size=4, max_size=4),
    boms=st.lists(st.booleans(), min_size=4, max_size=4),
    block=st.integers(1, 9),
)
def test_the_joined_csv_has_the_records_of_its_sources(  # noqa: PLR0917 - drawn
    folder: Path,
    tables: list[list[list[str]]],
    newline: str,
    quoting: Any,
    endings: list[str],
    boms: list[bool],
    block: int,
) -> None:
    contents = []
    for rows, ending, bom in zip(tables, endings, boms, strict=False):
        text = as_csv(rows, newline, quoting)
        text = {"": text.removesuffix(newline), "once": text, "twice": text + newline}[ending]
        contents.append(text.encode("utf-8-sig" if bom else "utf-8"))
    sources = write(folder, *contents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_scanner, "_BLOCK_BYTES", block)
        patch.setattr(csv_scanner, "_PIECE_BYTES", max(block // 2, 1))
        total, content = joined(sources)
        counts = [csv_rows(path) or 0 for path in sources]
    assert counts == [len(table) for table in tables]
    assert total == sum(counts)
    expected = [HEADER, *(row for table in tables for row in table)]
    assert parsed(content) == expected
    assert content.startswith(b"\xef\xbb\xbf") == boms[0]


@given(cells=st.lists(st.text(st.sampled_from('a,"\n'), max_size=12), max_size=4), block=st.integers(1, 9))
def test_a_quote_within_an_unquoted_field_stands_for_itself(folder: Path, cells: list[str], block: int) -> None:
    # Without a quoted newline in the same record, which is the documented exception.
    lines = ["Id,Inches", *(f'{number},5" x{cell!r}'.replace("\n", "") for number, cell in enumerate(cells))]
    (path,) = write(folder, "".join(f"{line}\n" for line in lines).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_scanner, "_BLOCK_BYTES", block)
        expected = len(parsed(path.read_bytes())) - 1
        if expected == len(cells):
            assert csv_scanner.CsvFile.inspect(path).scan().records == expected


def test_a_whole_that_is_split_is_joined_to_the_same_bytes(folder: Path) -> None:
    source = random.Random(1)  # noqa: S311 - not for security
    breaks = ["", "\n"]
    lines = [f'{number},"a ""b"", {source.choice(breaks)}c",{source.random()}\r\n' for number in range(3000)]
    whole = "".join(["Id,Name,Value\r\n", *lines]).encode()
    edges = [0, 700, 700, 1501, len(lines)]
    parts = ["".join(["Id,Name,Value\r\n", *lines[a:b]]).encode() for a, b in pairwise(edges)]
    assert joined(write(folder, *parts)) == (len(lines), whole)
    assert joined(write(folder, b"", parts[0], b"\xef\xbb\xbf", *parts[1:], b"")) == (len(lines), whole)


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([], (0, b"")),
        ([b""], (0, b"")),
        ([b"", b"\xef\xbb\xbf", b"\n"], (0, b"")),
        ([b"A,B\n", b"A,B"], (0, b"A,B\n")),
        ([b"A,B", b"A,B\n1,2"], (1, b"A,B\n1,2")),
        ([b"A,B\r\n1,2", b"A,B", b"A,B\r\n3,4"], (2, b"A,B\r\n1,2\r\n3,4")),
        ([b"A,B\n1,2\n\n\n", b'"A",B\n3,4\n\n'], (2, b"A,B\n1,2\n3,4\n")),
        ([b'"A\nC",B\n1,2\n', b'"A\nC",B\n3,4\n'], (2, b'"A\nC",B\n1,2\n3,4\n')),
        ([b"A,B\n" + b"\n" * 9000], (0, b"A,B\n")),
    ],
)
def test_csv_by_example(folder: Path, contents: list[bytes], expected: tuple[int, bytes]) -> None:
    assert joined(write(folder, *contents)) == expected


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (b"A,C\n", "column 2 is 'C' instead of 'B'"),
        (b"A,B,C\n", "column 3 is 'C' instead of missing"),
        (b"A\n", "column 2 is missing instead of 'B'"),
    ],
)
def test_other_columns_are_refused_before_anything_is_written(folder: Path, other: bytes, message: str) -> None:
    sources, target = write(folder, b"A,B\n1,2\n", other), io.BytesIO()
    with pytest.raises(DownloadError, match=f"1.txt' has other columns than '.*0.txt': {message}"):
        join_csv(sources, target)
    assert target.getvalue() == b""


@pytest.mark.parametrize("second", [b'A\n1\n"2', b'A\n1\n"2\n\n\n'])
def test_a_source_that_was_cut_within_quotes_is_refused(folder: Path, second: bytes) -> None:
    sources = write(folder, b"A\n0\n", second)
    with pytest.raises(DownloadError, match=r"1.txt' ends within a quoted field"):
        join_csv(sources, io.BytesIO())
    assert csv_rows(sources[1]) is None


def test_rows_that_are_known_are_not_counted_again(folder: Path) -> None:
    sources, target = write(folder, b"A\n1\n2", b"A\n3\n\n"), io.BytesIO()
    assert join_csv(sources, target, known_rows={sources[0]: 40}) == 41
    assert target.getvalue() == b"A\n1\n2\n3\n"


@pytest.mark.parametrize("join", [join_csv, join_json_lines])
def test_only_a_few_blocks_are_in_memory(
    folder: Path, join: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_scanner, "_BLOCK_BYTES", 256 * 1024)
    text = b"x" * 4000
    records = b"A,B\n" + b'1,"%s\n"\n' % text * 2000 if join is join_csv else b'{"a": "%s"}\n' % text * 2000
    sources = write(folder, records)
    tracemalloc.start()
    with (folder / "out").open("wb", buffering=0) as target:
        join(sources, target)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(records) / 2


def test_a_source_that_becomes_shorter_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, target = write(folder, b"A\n0\n1\n"), io.BytesIO()
    inspect = csv_scanner.CsvFile.inspect

    def inspect_and_cut(path: Path) -> csv_scanner.CsvFile:
        found = inspect(path)
        path.write_bytes(b"A\n0\n")
        return found

    monkeypatch.setattr(csv_scanner.CsvFile, "inspect", inspect_and_cut)
    with pytest.raises(DownloadError, match="became shorter"):
        join_csv(sources, target)


def test_an_endless_header_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_scanner, "_MAX_HEADER_BYTES", 5000)
    with pytest.raises(DownloadError, match="not CSV"):
        join_csv(write(folder, b'"' + b"A" * 10_000), io.BytesIO())


# JSON

RECORDS = st.lists(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4)),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    ),
    max_size=4,
)


def as_json(records: list[Any], form: str, indent: int | None, *, is_ascii: bool) -> str:
    def dump(value: object, spaces: int | None = indent) -> str:
        return json.dumps(value, indent=spaces, ensure_ascii=is_ascii)

    if form == "lines":
        return "\n".join(dump(record, None) for record in records)
    return dump(records if form == "array" else {"@page": "1", "@numpages": "1", form: records, "@total": len(records)})


@given(
    parts=st.lists(RECORDS, min_size=1, max_size=3),
    form=st.sampled_from(["array", "lines", "Records", "Clicks"]),
    indent=st.sampled_from([None, 0, 2]),
    is_ascii=st.booleans(),
    block=st.sampled_from([1, 2, 7, 64]),
)
def test_the_joined_json_has_the_records_of_its_sources(  # noqa: PLR0917 - drawn
    folder: Path, parts: list[list[Any]], form: str, indent: int | None, is_ascii: Any, block: int
) -> None:
    if form == "lines":  # a single record with a list of objects looks like an envelope
        parts = [[{"Id": "1"}, {"Id": "2"}, *records] for records in parts]
    sources = write(folder, *(as_json(part, form, indent, is_ascii=is_ascii).encode() for part in parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_BLOCK_BYTES", block)
        count, content = joined(sources, join_json_lines)
    expected = [record for part in parts for record in part]
    lines = content.decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == expected
    assert count == len(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b" \n", b""),
        (b"[]", b""),
        (b'{"Records": []}', b""),
        (b'\xef\xbb\xbf[{"a":1}]', b'{"a":1}\n'),
        (
            b'[{"a":1.10},\n{"a":1e400, "b": 0.000000000000000001}]',
            b'{"a":1.10}\n{"a":1e400, "b": 0.000000000000000001}\n',
        ),
        (b'{"Records":[{"a":"\\n \\u00e9 x  y"}]}', b'{"a":"\\n \\u00e9 x  y"}\n'),
        ('[{\n  "a": "\u2028 b",\r\n\t"c": [\n1,\n2 ]\n}]'.encode(), '{"a": "\u2028 b","c": [1,2 ]}\n'.encode()),
        (b'{"a":1}', b'{"a":1}\n'),
        (b'{"a":["b"]}', b'{"a":["b"]}\n'),
        (b'{"a":[{"b":1}]}\n{"a":[]}\n', b'{"a":[{"b":1}]}\n{"a":[]}\n'),
        (b'{"Errors":[],"Records":[{"a":1}],"Other":[]}', b'{"a":1}\n'),
        (b'[{"n":' + b"9" * 5000 + b"}]", b'{"n":' + b"9" * 5000 + b"}\n"),
    ],
)
def test_json_by_example(folder: Path, content: bytes, expected: bytes) -> None:
    assert joined(write(folder, content), join_json_lines) == (expected.count(b"\n"), expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"a":1}', "cut short"),
        (b'{"Records":[{"a":1}]', "cut short"),
        (b'[{"a":1},{"a"', "malformed or was cut short"),
        (b'[{"a":1}]]', "goes on after its end"),
        (b"[1]", "record 1 is not an object"),
        (b'{"a":1}\n2', "record 2 is not an object"),
        (b'{"A":[{"a":1}],"B":[{"b":1}]}', "several lists of records"),
        (b'[{"a":"\xff"}]', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"<html>", "malformed"),
        (b'[{"a":1} {"a":2}]', "stands where"),
    ],
)
def test_malformed_json_is_refused(folder: Path, content: bytes, message: str) -> None:
    sources = write(folder, b'[{"a":1}]', content)
    with pytest.raises(DownloadError, match=f"1.txt' cannot be read as JSON: .*{message}"):
        join_json_lines(sources, io.BytesIO())


def page(number: int, pages: int, records: int = 1, total: int | None = None) -> bytes:
    total = pages if total is None else total
    head = {"@page": str(number), "@numpages": str(pages), "@total": str(total)}
    return json.dumps(head | {"Records": [{"page": number}] * records}).encode()


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([page(1, 3)], "page 1 of 3 only"),
        ([page(1, 3), page(3, 3)], "page 3 of 3, but page 2"),
        ([page(1, 3), page(1, 3)], "page 1 of 3, but page 2"),
        ([page(1, 3), page(2, 4)], "page 2 of 4, but page 2"),
        ([page(2, 3)], "page 2 of 3, but page 1"),
        ([b'{"@page":"1","@nextpageuri":"/x","Records":[]}'], "page 1 of several only"),
    ],
)
def test_incomplete_pages_are_refused(folder: Path, pages: list[bytes], message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        joined(write(folder, *pages), join_json_lines)


def test_pages_are_joined_if_they_hold_what_they_state(folder: Path) -> None:
    pages = [page(number, 3) for number in (1, 2, 3)]
    assert joined(write(folder, *pages, *pages), join_json_lines)[0] == 6
    with pytest.raises(IntegrityError, match="states 5 records in all, and 3 are there"):
        joined(write(folder, *(page(number, 3, total=5) for number in (1, 2, 3))), join_json_lines)
