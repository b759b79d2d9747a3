"""Parse JSON strictly, and find the line of any place in it."""

import json
import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NoReturn

from spec.documents import Json
from spec.texts.faults import (
    HALF_A_PAIR,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_FAULTS,
    TOO_DEEP,
    TOO_MANY_DIGITS,
    Fault,
    FaultyTextError,
    beyond_floats,
)

_SPACE = re.compile(r"[ \t\n\r]*")
# Strings, whole or not, brackets and numbers; the possessive quantifiers keep it linear in any text.
_LEXEME = re.compile(
    r"""("[^"\\]*+(?:\\.?[^"\\]*+)*+"?|[{}\[\]]|NaN|-?Infinity|-?\d++(?:\.\d++)?(?:[eE][-+]?\d++)?)(\s*+:)?""",
    re.DOTALL,
)
_SURROGATE = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")
_DECODER = json.JSONDecoder()


def parse(text: str) -> Json:
    """Return the value that a text describes.

    This is stricter than `json.loads`, which silently keeps the last of two equal keys, and accepts NaN, numbers beyond
    all floats, and halves of surrogate pairs, which no file can hold.

    Raises:
        FaultyTextError: The text is not JSON in this sense; with all faults if its syntax is correct.
    """
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_distinct, parse_constant=_refuse, parse_float=_finite, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise FaultyTextError(
            Fault(error.lineno, f"not a JSON document: {error.msg.removesuffix(' at')} in column {error.colno}")
        ) from error
    except (ValueError, RecursionError) as error:
        # Look for the faults in the text, because Python's parser does not give their lines.
        raise FaultyTextError(*islice(_faults(text), MAX_FAULTS)) from error
    if (_too_deep(value) or _SURROGATE.search(text)) and (faults := [*islice(_faults(text), MAX_FAULTS)]):
        raise FaultyTextError(*faults)
    return value


def line(text: str, *place: str | int) -> int:
    """Return the line on which a value begins, or its key if it is in an object; from 1.

    Args:
        text: Valid JSON.
        place: The keys and indices that lead to the value. If there is no such place, the line is that of the last part
            of it that there is.
    """
    begins = at = _skip_space(text, 0)
    for token in place:
        found = _members(text, at).get(token)
        if found is None:
            break
        begins, at = found
    return bisect_left(_line_ends(text), begins) + 1


# Reports name many places of few objects, and to skip all that is before a place takes long in a large document.
@lru_cache(maxsize=8)
def _line_ends(text: str) -> Sequence[int]:
    return array("Q", (found.start() for found in re.finditer("\n", text)))


@lru_cache(maxsize=64)
def _members(text: str, at: int) -> dict[str | int, tuple[int, int]]:
    """Return where each member of the object or array at `at` begins, and where its value does."""
    found: dict[str | int, tuple[int, int]] = {}
    if text[at] not in "{[":
        return found
    is_object = text[at] == "{"
    at = _skip_space(text, at + 1)
    while text[at] not in "}]":
        key: str | int = len(found)
        begins = at
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _skip_space(text, _skip_space(text, at) + 1)
        found[key] = (begins, at)
        at = _skip_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip_space(text, at + 1)
    return found


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _refuse()


def _refuse(_text: str = "") -> NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse()


def _integer(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _refuse()


def _too_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
    return any(isinstance(container, dict | list) for container in level)


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _faults(text: str) -> Iterator[Fault]:
    """Find what `parse` refuses, apart from errors of the syntax."""
    keys: list[set[str]] = []
    for found in _LEXEME.finditer(text):
        lexeme, colon = found.groups()
        reason = None
        if lexeme in "{[":
            keys.append(set())
            reason = TOO_DEEP if len(keys) > MAX_DEPTH else None
        elif lexeme in "}]":
            del keys[-1:]
        elif colon and keys and (key := _decoded(lexeme)) is not None:
            reason = f"the key {key!r} appears twice in one object" if key in keys[-1] else None
            keys[-1].add(key)
        reason = reason or _fault_of_scalar(lexeme)
        if reason:
            yield Fault(text.count("\n", 0, found.start()) + 1, reason)
        if reason == TOO_DEEP:
            return


def _fault_of_scalar(lexeme: str) -> str | None:
    if lexeme[0] == '"':
        value = (_decoded(lexeme) or "") if "\\u" in lexeme else ""
        return HALF_A_PAIR if any("\ud800" <= character <= "\udfff" for character in value) else None
    if lexeme in {"NaN", "Infinity", "-Infinity"}:
        return f"{lexeme} is not a JSON number"
    if len(lexeme) > MAX_DIGITS and lexeme.lstrip("-").isdecimal():
        return TOO_MANY_DIGITS
    if "e" in lexeme.lower() and math.isinf(float(lexeme)):
        return beyond_floats(lexeme)
    return None


def _decoded(lexeme: str) -> str | None:
    """Return the value of a string, or None if its syntax is wrong."""
    try:
        value: str = _DECODER.decode(lexeme) if "\\" in lexeme else lexeme[1:-1]
    except json.JSONDecodeError:
        return None
    return value
