"""Read the records of a JSON result one after another, as the text that they came in, with bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from attrs import define, field, frozen

from impact_jobs.errors import DownloadError

_BLOCK_BYTES = 256 * 1024
_MAX_RECORD_CHARACTERS = 16 * 1024 * 1024
_BEGINNING_CHARACTERS = 1024 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_BREAK = re.compile(r"[\r\n]+")
# Numbers are not converted, because the text is kept and Python limits the digits of an int.
_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)
_NUMBER = re.compile(r"[0-9]{1,18}")


@frozen
class Page:
    """Which page of a result a file is, as its envelope states; the only one if there is no envelope."""

    number: int = 1
    pages: int | None = None
    total: int | None = None  # records of all pages
    is_followed: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Page:
        """Read the fields of an envelope."""
        number, pages, total = (_whole(fields.get(name, "")) for name in ("@page", "@numpages", "@total"))
        has_next = any(fields.get(name) for name in ("@nextpageuri", "@nextpageruri"))
        number = 1 if number is None else number
        return cls(number, pages, total, has_next if pages is None else number < pages)


class JsonRecords:
    """The records of a file, each as its text on one line; `count` and `page` are complete at the end.

    The file is an array, an object with one list of records, or JSON lines. Each record is an object.
    """

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        self._fields: dict[str, str] = {}

    @property
    def page(self) -> Page:
        """Which page the file is."""
        return Page.of(self._fields)

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            text = _SlidingText(file, self._path)
            first = text.peek()
            if first == "[":
                yield from self._array(text)
            elif first == "{" and not text.holds_several():
                yield from self._envelope(text)
            else:
                while text.peek():
                    yield self._record(text)
            if text.peek():
                raise text.error("it goes on after its end")

    def _array(self, text: _SlidingText) -> Iterator[str]:
        text.take("[")
        if text.peek() != "]":
            yield self._record(text)
        while text.peek() == ",":
            text.take(",")
            yield self._record(text)
        text.take("]")

    def _envelope(self, text: _SlidingText) -> Iterator[str]:
        text.take("{")
        while text.peek() != "}":
            name, _ = text.value()
            text.take(":")
            if text.peek() == "[":
                before = self.count
                yield from self._array(text)
                if before and self.count > before:
                    raise text.error(f"it holds several lists of records, the second as {name[:80]}")
            else:
                raw, value = text.value()
                self._fields[json.loads(name).lower()] = value if isinstance(value, str) else raw
            if text.peek() != "}":
                text.take(",")
        text.take("}")

    def _record(self, text: _SlidingText) -> str:
        raw, value = text.value()
        if not isinstance(value, dict):
            raise text.error(f"its record {self.count + 1} is not an object")
        self.count += 1
        if "\n" in raw or "\r" in raw:
            # No string of JSON holds a line break, so what surrounds one is indentation.
            return "".join(part.strip(" \t") for part in _LINE_BREAK.split(raw))
        return raw


@define
class _SlidingText:
    """The text of a file from a position on, of which only a few blocks are in memory."""

    _file: BinaryIO
    _path: Path
    _text: str = ""
    _position: int = 0
    _is_at_end: bool = False
    _decoder: codecs.IncrementalDecoder = field(factory=codecs.getincrementaldecoder("utf-8-sig"))

    def peek(self) -> str:
        """Return the next character that is not space; "" at the end."""
        while True:
            self._position = _SPACE.match(self._text, self._position).end()  # type: ignore[union-attr] # matches always
            if self._position < len(self._text) or self._is_at_end:
                return self._text[self._position : self._position + 1]
            self._fill()

    def take(self, character: str) -> None:
        """Skip a character, which must be the next one."""
        found = self.peek()
        if found != character:
            raise self.error(f"{found!r} stands where {character!r} was expected" if found else "it was cut short")
        self._position += 1

    def value(self) -> tuple[str, Any]:
        """Return the next value, as text and parsed, but numbers as something else."""
        self.peek()
        while True:
            with suppress(json.JSONDecodeError):
                value, end = self._parse()
                if end < len(self._text) or self._is_at_end:  # else a number may go on
                    raw, self._position = self._text[self._position : end], end
                    return raw, value
            if self._is_at_end:
                raise self.error("it is malformed or was cut short")
            if len(self._text) - self._position > _MAX_RECORD_CHARACTERS:
                raise self.error("it is malformed, or one of its records is too long")
            self._fill()

    def holds_several(self) -> bool:
        """Return whether the next value is a record of JSON lines, and not an envelope."""
        while True:
            with suppress(json.JSONDecodeError):
                value, end = self._parse()
                if _SPACE.match(self._text, end).end() < len(self._text):  # type: ignore[union-attr] # matches always
                    return True
                if self._is_at_end:
                    return not any(_may_be_records(each) for each in value.values())
            if self._is_at_end or len(self._text) - self._position > _BEGINNING_CHARACTERS:
                return False
            self._fill()

    def error(self, problem: str) -> DownloadError:
        """Return the error to raise."""
        return DownloadError(
            f"{str(self._path)!r} cannot be read as JSON: {problem}. Remove it, and download it again."
        )

    def _parse(self) -> tuple[Any, int]:
        try:
            return _DECODER.raw_decode(self._text, self._position)
        except RecursionError:
            raise self.error("it is nested too deeply") from None

    def _fill(self) -> None:
        """Read at least as much as is left, so that a long record is not parsed in vain too often."""
        rest = self._text[self._position :]
        data = self._file.read(max(_BLOCK_BYTES, len(rest)))
        self._is_at_end = not data
        try:
            self._text, self._position = rest + self._decoder.decode(data, not data), 0
        except UnicodeDecodeError:
            raise self.error("it is not UTF-8") from None


def _may_be_records(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value[:1])


def _whole(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
