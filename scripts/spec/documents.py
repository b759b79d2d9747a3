"""JSON documents: their types, their places, the format in which this project writes them, and errors about them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]
# The keys and indices that lead to a value.
Place: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """A fault in a document that stops the build.

    Attributes:
        file: The file, by the path that the user gave or would write.
        line: Its line, from 1; None if the fault concerns the whole file.
        reason: What is wrong there.
        advice: What to do, or the resolution that would settle it; may have several lines.
    """

    file: str
    line: int | None
    reason: str
    advice: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        advice = "".join(f"\n    {line}" for line in self.advice.splitlines())
        return f"{place}: {self.reason}{advice}"


class SpecError(Exception):
    """Problems that stop the build; each names its file, and its line if it has one."""

    def __init__(self, *problems: Problem | str) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def render(document: JsonObject) -> bytes:
    """Return the bytes of a document in the format of this project."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def as_object(value: Json) -> JsonObject:
    """Return a value that is an object; an empty object if it is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """Return a value that is an array; an empty list if it is none."""
    return value if isinstance(value, list) else []


def value_at(document: Json, place: Place) -> Json:
    """Return the value at a place; None if there is none."""
    for step in place:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and step < len(document):
            document = document[step]
        else:
            return None
    return document


def object_at(document: Json, *place: str | int) -> JsonObject:
    """Return the object at a place; an empty object if there is none."""
    return as_object(value_at(document, place))


def place_of(document: Json, tokens: Iterable[str]) -> Place:
    """Return the place to which the tokens of a JSON Pointer lead; in an array, a token is an index."""
    found: list[str | int] = []
    for token in tokens:
        is_index = isinstance(document, list) and token.isdecimal()
        found.append(int(token) if is_index else token)
        document = value_at(document, (found[-1],))
    return tuple(found)


def canonical(value: Json) -> str:
    """Return a value as JSON text that is the same in any order of keys; 1, true and 1.0 differ."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def pointer(*tokens: str | int) -> str:
    """Return a place in a document as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def tokens_of(pointer: str) -> list[str]:
    """Return the tokens of a JSON Pointer."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def first_difference(one: Json, other: Json, at: str = "") -> str | None:
    """Return the first place where two values differ, or None if they are equal.

    Types count: `True == 1` in Python, but `true` and `1` differ in JSON.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            place = at + pointer(key)
            if key not in one or key not in other:
                return place
            if found := first_difference(one[key], other[key], place):
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next((found for i, (a, b) in pairs if (found := first_difference(a, b, at + pointer(i)))), None)
    return None if type(one) is type(other) and one == other else at
