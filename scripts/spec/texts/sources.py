"""The text of a document, in JSON or YAML: parse it strictly, and find the line of any place in it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

from spec.documents import Json, JsonObject, Problem, SpecError
from spec.texts import json_text, yaml_text
from spec.texts.faults import FaultyTextError

LARGEST = 16 * 1024 * 1024  # bytes; four times the largest descriptions that are published

Syntax: TypeAlias = Literal["json", "yaml"]


@dataclass(frozen=True)
class Source:
    """The text of one document.

    Attributes:
        file: The file's name in messages.
        text: The document, with LF line ends.
        first_line: The line of the file on which the text begins, from 1.
        syntax: Its syntax.
    """

    file: str
    text: str
    first_line: int = 1
    syntax: Syntax = "json"

    def parse(self) -> JsonObject:
        """Return the document, which has to be one object.

        Raises:
            SpecError: The text is not one object in strict JSON or YAML; with the lines of all faults.
        """
        try:
            document = self._value()
        except FaultyTextError as error:
            raise SpecError(*(self.problem(*fault) for fault in error.faults)) from error
        if not isinstance(document, dict):
            raise self.error(f"not {_ARTICLES[self.syntax]} object")
        return document

    def line(self, *place: str | int) -> int:
        """Return the line of the file on which a value begins, or its key if it is in an object.

        Args:
            place: The keys and indices that lead to the value, in a document that could be parsed. If there is no such
                place, the line is that of the last part of it that there is.
        """
        found = json_text.line(self.text, *place) if self.syntax == "json" else yaml_text.line(self._root, *place)
        return self.first_line + found - 1

    def problem(self, line: int, reason: str, advice: str = "") -> Problem:
        """Return a problem at a line of the text, from 1."""
        return Problem(self.file, self.first_line + line - 1, reason, advice)

    def error(self, reason: str, *, line: int = 1, advice: str = "") -> SpecError:
        """Return an error at a line of the text, from 1."""
        return SpecError(self.problem(line, reason, advice))

    def _value(self) -> Json:
        return json_text.parse(self.text) if self.syntax == "json" else yaml_text.plain(self._root)

    @cached_property
    def _root(self) -> yaml_text.Node:
        return yaml_text.compose(self.text)


_ARTICLES = {"json": "a JSON", "yaml": "a YAML"}


def read_source(path: Path, name: str | None = None) -> Source:
    """Read a file that holds one document, in JSON or YAML.

    Args:
        path: The file. Its suffix names its syntax; if there is none of the usual ones, its first character does.
        name: Its name in messages; its path by default.

    Raises:
        SpecError: It can't be read, is too large, or isn't UTF-8.
    """
    name = str(path) if name is None else name
    text = unified(read_text(path, name))
    return Source(name, text, syntax=syntax_of(text, path))


def syntax_of(text: str, path: PurePath) -> Syntax:
    """Return the syntax of a document by the suffix of its file, or by its first character."""
    by_suffix: dict[str, Syntax] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
    return by_suffix.get(path.suffix.lower()) or ("json" if text.lstrip()[:1] == "{" else "yaml")


def read_text(path: Path, name: str) -> str:
    """Return the characters of a file.

    Raises:
        SpecError: It isn't a file, can't be read, is too large, or isn't UTF-8.
    """
    try:
        # A device or a pipe may have no end.
        if path.exists() and not path.is_file():
            raise SpecError(Problem(name, None, "is not a file"))
        if (size := path.stat().st_size) > LARGEST:
            raise SpecError(Problem(name, None, f"has {size} bytes; at most {LARGEST} are read"))
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SpecError(Problem(name, None, str(error.strerror))) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SpecError(Problem(name, line, f"is not text in UTF-8: {error.reason}")) from error


def unified(text: str) -> str:
    """Return a text without a byte order mark, and with LF line ends."""
    return re.sub("\r\n?", "\n", text.removeprefix("\ufeff"))
