"""The text of a document: parse it strictly, and find the line of any place in it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from spec.documents import Json, JsonObject, Problem, SpecError

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Source:
    """The JSON text of one document.

    Attributes:
        file: The file's name, as the user knows it.
        text: The document, with LF line ends.
        first_line: The line of the file on which the text begins, from 1.
    """

    file: str
    text: str
    first_line: int = 1

    def parse(self) -> JsonObject:
        """Return the document, which has to be one object.

        This is stricter than `json.loads`, which silently keeps the last of two equal keys and accepts NaN.

        Raises:
            SpecError: The text is not one JSON object; with its line.
        """
        try:
            document = json.loads(self.text, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            raise self.error(f"not a JSON document: {error.msg}", line=error.lineno) from error
        except ValueError as error:
            raise self.error(f"not a JSON document: {error}") from error
        if not isinstance(document, dict):
            raise self.error("not a JSON object")
        return document

    def line(self, *place: str | int) -> int:
        """Return the line of a value in the file, by the keys and indices that lead to it.

        If the place does not exist, it is the line of the last part of it that does.
        """
        at = _SPACE.match(self.text, 0).end()  # type: ignore[union-attr] # it always matches
        for token in place:
            found = _member(self.text, at, token)
            if found is None:
                break
            at = found
        return self.first_line + self.text.count("\n", 0, at)

    def error(self, reason: str, *, line: int = 1, advice: str = "") -> SpecError:
        """Return an error at a line of the text, from 1."""
        return SpecError(Problem(self.file, self.first_line + line - 1, reason, advice))


def read_source(path: Path, name: str | None = None) -> Source:
    """Read a file.

    Args:
        path: The file.
        name: Its name in messages; its path by default.

    Raises:
        SpecError: It can't be read, or isn't UTF-8.
    """
    name = str(path) if name is None else name
    try:
        return Source(name, path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise SpecError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SpecError(Problem(name, line, f"not a JSON document: {error}")) from error


def read_object(path: Path, name: str | None = None) -> JsonObject:
    """Read a file that holds one JSON object; see `Source.parse`.

    Raises:
        SpecError: The file can't be read, or isn't one JSON object.
    """
    return read_source(path, name).parse()


def _member(text: str, at: int, token: str | int) -> int | None:
    """Return where a member of the object or array at `at` begins; the text is valid JSON."""
    if text[at] not in "{[":
        return None
    is_object, index = text[at] == "{", 0
    at = _skip_space(text, at + 1)
    while text[at] not in "}]":
        key: str | int = index
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _skip_space(text, _skip_space(text, at) + 1)
        if key == token:
            return at
        at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip_space(text, at + 1)
        index += 1
    return None


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _refuse_duplicates(pairs: list[tuple[str, Json]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {duplicate!r} appears twice in one object")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
