"""What the generator complains about, as problems of the document with their lines."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from spec.documents import Json, JsonObject, Problem, pointer
from spec.generating.schemas import Place

Locate: TypeAlias = Callable[[Place], tuple[str, int]]

_OPERATION = re.compile(r"WARNING parsing ([A-Z]+) (/\S*) within \S+\.")
_REFERENCE = re.compile(r'"#/(components/[^"/]+/[^"/]+)')
_MISSING = "Could not find reference in parsed models or enums"


def problems_of(
    complaints: Iterable[Mapping[str, str | None]], document: JsonObject, locate: Locate
) -> tuple[list[Problem], list[str]]:
    """Return a problem for each part of a document that the generator would leave out.

    Args:
        complaints: What the generator printed: objects with `header`, `detail` and `place`.
        document: The document.
        locate: Gives the file and the line of a place of the document.

    Returns:
        The problems, and a sentence for each complaint that concerns no operation.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    operations = dict(_operations(document))
    explained: set[str] = set()
    # First what is wrong, and then the operations that can't be generated because of it.
    for complaint in sorted(complaints, key=lambda one: bool(_OPERATION.match(one["header"] or ""))):
        header, detail = str(complaint["header"]), " ".join(str(complaint["detail"] or complaint["header"]).split())
        if match := _OPERATION.match(header):
            place: Place = ("paths", match[2], match[1].lower())
            users = {operations.get((match[2], match[1].lower()), "")}
            if users <= explained and _MISSING in detail:
                continue
        else:
            place = place_in(document, complaint["place"] or header.partition(" schema ")[2].rstrip(":"))
            users = {name for at, name in operations.items() if place[:3] in _reached(document, ("paths", *at))}
            explained |= users
        reason = f"the generator can't express {pointer(*place) or 'the document'}: {detail}"
        if not users and place:
            notes.append(f"{reason} (no operation needs it)")
        else:
            problems.append(Problem(*locate(place), reason, _advice(users, detail)))
    return problems, notes


def place_in(document: Json, place: str) -> Place:
    """Return the keys of a JSON Pointer; those of an array are numbers."""
    found: list[str | int] = []
    value = document
    for token in place.split("/")[1:]:
        key: str | int = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            key = int(key) if str(key).isdecimal() else key
            value = value[key] if isinstance(key, int) and key < len(value) else None
        else:
            value = value.get(str(key)) if isinstance(value, dict) else None
        found.append(key)
    return tuple(found)


def _operations(document: JsonObject) -> Iterator[tuple[tuple[str, str], str]]:
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method, operation in item.items() if isinstance(item, dict) else ():
            if isinstance(operation, dict) and "responses" in operation:
                yield (path, method), str(operation.get("operationId", f"{method.upper()} {path}"))


def _reached(document: JsonObject, place: Place) -> set[Place]:
    """Return the components that a part of the document refers to, itself or through others."""
    found: set[Place] = set()
    waiting = [place]
    while waiting:
        text = json.dumps(_value(document, waiting.pop()))
        for name in set(_REFERENCE.findall(text)):
            component = tuple(key.replace("~1", "/").replace("~0", "~") for key in name.split("/"))
            if component not in found:
                found.add(component)
                waiting.append(component)
    return found


def _value(document: JsonObject, place: Place) -> Json:
    value: Json = document
    for key in place:
        value = value.get(str(key)) if isinstance(value, dict) else None
    return value


def _advice(users: Iterable[str], detail: str) -> str:
    """Return the resolutions that leave out the operations that can't be generated."""
    reason = detail.replace("\\", "/").replace('"', "'")
    lines = [f'operationId/{name}: "omit: the generator can\'t express it: {reason}"' for name in sorted(users)]
    return "\n".join(
        ["correct it in the overlay, or leave the operations out, in the resolutions of merge.yml:", *lines]
    )
