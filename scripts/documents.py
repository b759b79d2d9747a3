"""Read JSON documents strictly, compare them, and write them in one format."""

import json
from pathlib import Path
from typing import NoReturn, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]


class BuildError(Exception):
    """An error that stops the build; its message names the problem and the file."""


def read_object(path: Path) -> JsonObject:
    """Read a file that holds one JSON object.

    This is stricter than `json.loads`, which silently keeps the last of two equal keys and accepts NaN.

    Raises:
        BuildError: The file can't be read, or isn't one JSON object.
    """
    try:
        document = json.loads(
            path.read_bytes().decode("utf-8"), object_pairs_hook=_refuse_duplicates, parse_constant=_refuse
        )
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # includes JSONDecodeError and UnicodeDecodeError
        raise BuildError(f"{path} is not a JSON document: {error}") from error
    if not isinstance(document, dict):
        raise BuildError(f"{path} is not a JSON object")
    return document


def render(document: JsonObject) -> bytes:
    """Return the bytes of a document in the format of this project."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def pointer(*tokens: str | int) -> str:
    """Return a place in a document as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


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


def _refuse_duplicates(pairs: list[tuple[str, Json]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {duplicate!r} appears twice in one object")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
