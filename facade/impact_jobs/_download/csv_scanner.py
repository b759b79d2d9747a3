"""Where the header and the records of a CSV file end: quoted newlines, either kind of newline, at the speed of memory.

The dialect is that of RFC 4180 and of Python's `csv` module: commas, and quotes that are doubled within quotes. Records
end with LF, CRLF or CR. An empty line is a record with one empty value if the header has one column, and no record
otherwise. Only `bytes` methods run over the data, because a loop in Python would be 50 times slower. The price: a
record with both a quote in an unquoted field and a quoted newline may be miscounted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import define, frozen

from impact_jobs.errors import DownloadError

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_BLOCK_BYTES = 1024 * 1024
_PIECE_BYTES = 32 * 1024
_MAX_HEADER_BYTES = 4 * 1024 * 1024
_TAIL_BYTES = 4096
_TOKEN = re.compile(rb'\r\n|["\r\n,]|[^"\r\n,]+')
_LONE_CR = re.compile(rb"\r(?!\n)")
_EMPTY_LINE = re.compile(rb"\n[\r\n]")
_SEVERAL_NEWLINES = re.compile(rb"\n\n+")
_START, _FIELD, _QUOTED, _CLOSED = range(4)  # of a field, within one, within quotes, and after a quote within quotes
_TEXT = b""
_KINDS = {b'"': b'"', b",": b",", b"\n": b"\n", b"\r\n": b"\n", b"\r": b"\n"}  # of tokens
_NEXT = {
    **{(state, kind): _START for state in (_START, _FIELD, _CLOSED) for kind in (b",", b"\n")},
    **{(state, _TEXT): _FIELD for state in (_START, _FIELD, _CLOSED)},
    **{(_QUOTED, kind): _QUOTED for kind in (b",", b"\n", _TEXT)},
    (_START, b'"'): _QUOTED,
    (_FIELD, b'"'): _FIELD,  # a quote within an unquoted field stands for itself
    (_QUOTED, b'"'): _CLOSED,
    (_CLOSED, b'"'): _QUOTED,  # it was the first of two, which stand for one
}
_NEITHER_QUOTE_NOR_NEWLINE = bytes(set(range(256)) - set(b'"\n'))
_AFTER = {b",": _START, b"\n": _START, b'"': _CLOSED}


@define
class RecordCounter:
    """Counts the ends of records in CSV that arrives in blocks, from the beginning of a record on."""

    counts_empty_lines: bool
    records: int = 0
    _state: int = _START
    _last: bytes = b"\n"  # the last byte that has arrived

    @property
    def is_in_quotes(self) -> bool:
        """Whether what has arrived ends within a quoted field."""
        return self._state == _QUOTED

    def feed(self, data: bytes | bytearray) -> None:
        """Count the ends of records in the next block."""
        self._feed(self._with_plain_newlines(data))
        self._last = bytes(data[-1:]) or self._last

    def _with_plain_newlines(self, data: bytes | bytearray) -> bytes | bytearray:
        """Return the block without lone CRs and empty lines that are no records; within quotes, both do not matter."""
        if self._last == b"\r" and data.startswith(b"\n"):
            data = data[1:]
        if (b"\r" in data and _LONE_CR.search(data)) or _EMPTY_LINE.search(data):
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            data = data if self.counts_empty_lines else _SEVERAL_NEWLINES.sub(b"\n", data)
        is_at_start = not self.counts_empty_lines and self._last in b"\r\n"
        return data.lstrip(b"\r\n") if is_at_start else data

    def _feed(self, data: bytes | bytearray) -> None:
        if self._state != _QUOTED and data.find(b'"') < 0:
            if data:
                self.records += data.count(b"\n")
                self._state = _AFTER.get(bytes(data[-1:]), _FIELD)
            return
        if not self._feed_by_lines(data):
            for start in range(0, len(data), _PIECE_BYTES):
                piece = data[start : start + _PIECE_BYTES]
                if not self._feed_by_lines(piece):
                    self._feed_closely(piece)

    def _feed_by_lines(self, data: bytes | bytearray) -> bool:
        """Count all newlines; return False if a quoted field may hold one, because a line has a quote too many."""
        end = data.rfind(b"\n") + 1
        marks = data.translate(None, _NEITHER_QUOTE_NOR_NEWLINE)
        marks = ((b'"' if self._state == _QUOTED else b"") + marks).replace(b'""', b"")
        records = len(marks.rstrip(b'"'))
        if not end or marks.find(b'"', 0, records) >= 0:
            return False
        self.records += records
        self._state = _START
        self._feed_closely(data[end:])  # the beginning of a line
        return True

    def _feed_closely(self, data: bytes | bytearray) -> None:
        if not self._feed_by_fields(data):
            self.end_of_record(bytes(data), count_all=True)

    def _feed_by_fields(self, data: bytes | bytearray) -> bool:
        """Count the newlines before, between and after quotes; return False if an unquoted field holds a quote."""
        if not data:
            return True
        parts = bytes(data).split(b'"')
        starts_quoted = self._state == _QUOTED
        outside = parts[starts_quoted::2]
        ends_quoted = (len(parts) % 2 == 1) == starts_quoted
        before_quotes = outside if ends_quoted else outside[:-1]
        if not starts_quoted and before_quotes and not before_quotes[0] and self._state == _FIELD:
            return False
        joined = b'"'.join([*before_quotes, b""])
        # A quote begins a field after a comma or a newline; after a closing quote it is the second of two.
        if joined.count(b',"') + joined.count(b'\n"') + before_quotes.count(b"") != len(before_quotes):
            return False
        self.records += joined.count(b"\n") + (0 if ends_quoted else outside[-1].count(b"\n"))
        self._state = _QUOTED if ends_quoted else _AFTER.get(bytes(data[-1:]), _FIELD)
        return True

    def end_of_record(self, data: bytes, *, count_all: bool = False) -> int:
        """Return where the first record that ends in `data` ends, or -1; with `count_all`, read on to the end."""
        for match in _TOKEN.finditer(data):
            is_half = count_all and match[0] == b"\r"  # of a CRLF, because no other CR is left
            kind = _TEXT if is_half else _KINDS.get(match[0], _TEXT)
            ends = kind == b"\n" and self._state != _QUOTED
            self._state = _NEXT[self._state, kind]
            self.records += ends
            if ends and not count_all:
                return match.end()
        return -1


@frozen(kw_only=True)
class CsvFile:
    """A CSV file: its header, and the range of its records.

    Attributes:
        path: The file.
        columns: The number of values in the header.
        bom: Its byte order mark, or b"".
        header: The first record, without its newline; b"" if the file has none.
        newline: The newline after the header; b"" if there is none.
        start: Where the records begin.
        stop: Where they end: if there are several columns, after the first of the newlines at the end of the file.
        is_ended: Whether the last record, or else the header, ends with a newline.
    """

    path: Path
    columns: int
    bom: bytes
    header: bytes
    newline: bytes
    start: int
    stop: int
    is_ended: bool

    @classmethod
    def inspect(cls, path: Path) -> CsvFile:
        """Read the header and the end of a file; raise DownloadError if it is compressed, or has no header."""
        with path.open("rb") as file:
            beginning = file.read(len(_BOM))
            if beginning.startswith(_GZIP):
                raise DownloadError(
                    f"{str(path)!r} is compressed with gzip, and only plain CSV can be joined. Keep one file for each "
                    "window, or write Parquet with to_parquet, which reads compressed results."
                )
            bom = beginning if beginning == _BOM else b""
            file.seek(len(bom))
            header, newline, start = _read_header(file, path, len(bom))
            columns = _count_columns(header)
            stop, is_ended = _find_end(file, start, keeps_empty_lines=columns == 1)
        return cls(
            path=path,
            columns=columns,
            bom=bom,
            header=header,
            newline=newline,
            start=start,
            stop=stop,
            is_ended=is_ended if stop > start else bool(newline),
        )

    def scan(self, on_block: Callable[[bytearray], object] | None = None) -> RecordCounter:
        """Read the records, and return their counter, which includes a last one without a newline."""
        counter = RecordCounter(self.columns == 1)
        for block in self.blocks():
            counter.feed(block)
            if on_block is not None:
                on_block(block)
        if self.stop > self.start and (counter.is_in_quotes or not self.is_ended):
            counter.records += 1
        return counter

    def blocks(self) -> Iterator[bytearray]:
        """Read the records in blocks, each of which is gone when the next is read."""
        position, buffer = self.start, bytearray(_BLOCK_BYTES)
        with self.path.open("rb", buffering=0) as file, memoryview(buffer) as view:
            file.seek(self.start)
            while position < self.stop:
                size = file.readinto(view[: self.stop - position])
                if not size:
                    raise DownloadError(f"{str(self.path)!r} became shorter while it was read. Download it again.")
                yield buffer if size == len(buffer) else buffer[:size]
                position += size


def _read_header(file: BinaryIO, path: Path, position: int) -> tuple[bytes, bytes, int]:
    """Return the first record that is not empty, its newline, and where it ends."""
    data, counter = b"", RecordCounter(counts_empty_lines=False)
    while block := file.read(_TAIL_BYTES):
        if not data:
            position += len(block) - len(block.lstrip(b"\r\n"))
            block = block.lstrip(b"\r\n")
        end = counter.end_of_record(block)
        data += block if end < 0 else block[:end]
        if end >= 0:
            if end == len(block) and block.endswith(b"\r") and file.read(1) == b"\n":
                data += b"\n"
            header = data.removesuffix(b"\n").removesuffix(b"\r")
            return header, data[len(header) :], position + len(data)
        if len(data) > _MAX_HEADER_BYTES:
            raise DownloadError(
                f"{str(path)!r} has no end of its first line within {_MAX_HEADER_BYTES} bytes, so it is not CSV."
            )
    return data, b"", position + len(data)


def _count_columns(header: bytes) -> int:
    state, columns = _START, 1
    for match in _TOKEN.finditer(header):
        kind = _KINDS.get(match[0], _TEXT)
        columns += kind == b"," and state != _QUOTED
        state = _NEXT[state, kind]
    return columns


def _find_end(file: BinaryIO, start: int, *, keeps_empty_lines: bool) -> tuple[int, bool]:
    """Return where the last record from `start` on ends, and whether a newline ends it."""
    stop = file.seek(0, 2)
    if keeps_empty_lines and stop > start:
        file.seek(stop - 1)
        return stop, file.read(1) in b"\r\n"
    while stop > start:
        begin = max(start, stop - _TAIL_BYTES)
        file.seek(begin)
        tail = file.read(stop - begin)
        stripped = tail.rstrip(b"\r\n")
        if not stripped:
            stop = begin
            continue
        file.seek(begin + len(stripped))
        newlines = file.read(2)
        if newlines == b"\r\n":
            return begin + len(stripped) + 2, True
        return begin + len(stripped) + bool(newlines), bool(newlines)
    return start, False
