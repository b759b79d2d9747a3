"""The warnings of the generator, as problems of the document with their lines."""

import re
from collections.abc import Iterable, Iterator, Mapping

from spec.documents import JsonObject, Place, Problem, as_object, object_at, place_of, pointer, tokens_of, value_at
from spec.references import Locate, component, references_in

_OPERATION = re.compile(r"WARNING parsing ([A-Z]+) (/\S*) within \S+\.")
_MISSING = "Could not find reference in parsed models or enums"


def problems_of(
    warnings: Iterable[Mapping[str, str | None]], document: JsonObject, locate: Locate
) -> tuple[list[Problem], list[str]]:
    """Return a problem for each part of a document that the generator would leave out.

    Args:
        warnings: The objects that `process.py` printed, with `header`, `detail` and `place`.
        document: The document.
        locate: Gives the file and the line of a place of the document.

    Returns:
        The problems, and a sentence for each warning that concerns no operation.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    operations = dict(_operations(document))
    explained: set[str] = set()
    # First what is wrong, and then the operations that can't be generated because of it.
    for warning in sorted(warnings, key=lambda one: bool(_OPERATION.match(one["header"] or ""))):
        header, detail = str(warning["header"]), " ".join(str(warning["detail"] or warning["header"]).split())
        if match := _OPERATION.match(header):
            place: Place = ("paths", match[2], match[1].lower())
            users = {operations.get((match[2], match[1].lower()), "")}
            if users <= explained and _MISSING in detail:
                continue
        else:
            pointer_ = warning["place"] or header.partition(" schema ")[2].rstrip(":")
            place = place_of(document, tokens_of(pointer_))
            users = {name for at, name in operations.items() if place[:3] in _reached(document, ("paths", *at))}
            explained |= users
        reason = f"the generator can't express {pointer(*place) or 'the document'}: {detail}"
        if not users and place:
            notes.append(f"{reason} (no operation needs it)")
        else:
            problems.append(Problem(*locate(place), reason, _advice(users, detail)))
    return problems, notes


def _operations(document: JsonObject) -> Iterator[tuple[tuple[str, str], str]]:
    for path, item in object_at(document, "paths").items():
        for method, operation in as_object(item).items():
            if isinstance(operation, dict) and "responses" in operation:
                yield (path, method), str(operation.get("operationId", f"{method.upper()} {path}"))


def _reached(document: JsonObject, place: Place) -> set[Place]:
    """Return the components that a part of the document refers to, itself or through others."""
    found: set[Place] = set()
    waiting = [place]
    while waiting:
        referred = {component(ref) for _, ref in references_in(value_at(document, waiting.pop()))}
        new = {("components", *key) for key in referred if key} - found
        found |= new
        waiting += new
    return found


def _advice(users: Iterable[str], detail: str) -> str:
    """Return the resolutions that leave out the operations that can't be generated."""
    reason = detail.replace("\\", "/").replace('"', "'")
    lines = [f'operationId/{name}: "omit: the generator can\'t express it: {reason}"' for name in sorted(users)]
    return "\n".join(
        ["correct it in the overlay, or leave the operations out, in the resolutions of merge.yml:", *lines]
    )
