"""JSON documents: read strictly, pointed into, written the same everywhere."""

import json
from pathlib import Path
from typing import NoReturn, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]


class BuildError(Exception):
    """What stops the build. Its text is for a person: what is wrong, and in which file."""


def read_object(path: Path) -> JsonObject:
    """Read a file that holds one JSON object.

    Stricter than `json.loads`, which keeps the last of two equal keys and lets NaN pass: either would change
    what was published without a word.

    Raises:
        BuildError: The file can't be read, or is anything else.
    """
    try:
        document = json.loads(
            path.read_bytes().decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_refuse
        )
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # JSON's and UTF-8's own errors among them
        raise BuildError(f"{path} is not a JSON document: {error}") from error
    if not isinstance(document, dict):
        raise BuildError(f"{path} is not a JSON object")
    return document


def render(document: JsonObject) -> bytes:
    """Give the bytes of a document: the only way this project writes one."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def pointer(*tokens: str | int) -> str:
    """Spell a place in a document as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def first_difference(one: Json, other: Json, at: str = "") -> str | None:
    """Point at the first place where two values differ, or give None for equal ones.

    Types count: Python takes `true` and `1` for equal, JSON does not.
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


def _without_doubles(pairs: list[tuple[str, Json]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double!r} stands twice in one object")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
