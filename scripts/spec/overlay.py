"""Apply an OpenAPI Overlay 1.0 document: our corrections to the vendor's description.

It is stricter than the specification in one point: an action that matches nothing is an error, because the published
page has changed and the correction needs a review. Public tools exit with 0 in that case.

Version 1.0.0 only says that an update must be "compatible" with its target. This module follows the wording of 1.1.0:
objects merge, arrays are concatenated, primitives replace primitives, and anything else is an error.
"""

import re
from copy import deepcopy
from dataclasses import dataclass

import jsonpath_rfc9535 as jsonpath

from spec.documents import Json, JsonObject, SpecError, pointer

VERSION = re.compile(r"1\.0\.\d+(-.+)?")
ROOT_FIELDS = frozenset({"overlay", "info", "extends", "actions"})
ACTION_FIELDS = frozenset({"target", "description", "update", "remove"})

Location = tuple[str | int, ...]


class OverlayError(SpecError):
    """An overlay is malformed, or doesn't fit the document."""


@dataclass(frozen=True)
class Action:
    """A valid action: it has a target, and it either removes or updates."""

    index: int
    target: str
    remove: bool
    update: Json

    def __str__(self) -> str:
        return f"actions[{self.index}] (target {self.target})"


def apply(document: JsonObject, overlay: JsonObject) -> JsonObject:
    """Apply the actions of an overlay in order, each to the result of the previous one.

    Args:
        document: The document to correct; it is not modified.
        overlay: An Overlay 1.0 document, parsed.

    Returns:
        A new document.

    Raises:
        OverlayError: The overlay is malformed, or an action matches nothing, or doesn't fit what it matches.
    """
    result = deepcopy(document)
    for action in parse(overlay):
        # Change the deepest and last matches first, so that the other locations stay valid.
        for location in sorted(_select(action, result), reverse=True):
            if action.remove:
                _remove(action, result, location)
            else:
                _update(action, result, location)
    return result


def parse(overlay: JsonObject) -> list[Action]:
    """Check that an overlay follows the specification, and return its actions.

    Raises:
        OverlayError: It is malformed.
    """
    version = overlay.get("overlay")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise OverlayError(f"the overlay's version, `overlay`, is {version!r} and not 1.0.x")
    _refuse_unknown(overlay, ROOT_FIELDS, "the overlay")
    info = overlay.get("info")
    if not isinstance(info, dict) or not all(isinstance(info.get(key), str) for key in ("title", "version")):
        raise OverlayError("the overlay's `info` has to be an object with the strings `title` and `version`")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise OverlayError("the overlay's `actions` has to be an array of at least one action")
    return [_parse_action(index, action) for index, action in enumerate(actions)]


def _parse_action(index: int, action: Json) -> Action:
    name = f"actions[{index}]"
    if not isinstance(action, dict):
        raise OverlayError(f"{name} is not an object")
    target, remove = action.get("target"), action.get("remove", False)
    if not isinstance(target, str):
        raise OverlayError(f"{name} has no `target`, or one that is not a string")
    if not isinstance(remove, bool):
        raise OverlayError(f"{name} (target {target}): `remove` is neither true nor false")
    if not isinstance(action.get("description", ""), str):
        raise OverlayError(f"{name} (target {target}): `description` is not a string")
    if not remove and "update" not in action:
        raise OverlayError(f"{name} (target {target}) neither updates nor removes anything")
    _refuse_unknown(action, ACTION_FIELDS, f"{name} (target {target})")
    return Action(index, target, remove, action.get("update"))


def _refuse_unknown(value: JsonObject, known: frozenset[str], name: str) -> None:
    unknown = [key for key in value if key not in known and not key.startswith("x-")]
    if unknown:
        raise OverlayError(f"{name} has the unknown field {unknown[0]!r}")


def _select(action: Action, document: JsonObject) -> set[Location]:
    try:
        nodes = jsonpath.find(action.target, document)
    except jsonpath.JSONPathError as error:
        raise OverlayError(f"{action} is not a JSONPath query (RFC 9535): {error}") from error
    if not nodes:
        raise OverlayError(f"{action} matches nothing: is the correction still needed?")
    for node in nodes:
        if not isinstance(node.value, dict | list):
            place = pointer(*node.location)
            raise OverlayError(f"{action} matches {place}, which is neither an object nor an array")
    return {node.location for node in nodes}


def _remove(action: Action, document: JsonObject, location: Location) -> None:
    if not location:
        raise OverlayError(f"{action} would remove the whole document")
    parent = _at(document, location[:-1])
    match parent, location[-1]:
        case (dict(), str(key)):
            del parent[key]
        case (list(), int(index)):
            del parent[index]


def _update(action: Action, document: JsonObject, location: Location) -> None:
    target = _at(document, location)
    if isinstance(target, list):
        target.append(deepcopy(action.update))
    elif isinstance(target, dict) and isinstance(action.update, dict):
        _merge(action, target, action.update, location)
    else:
        raise OverlayError(f"{action} updates the object at {pointer(*location)} with something that is not an object")


def _merge(action: Action, target: JsonObject, update: JsonObject, location: Location) -> None:
    for key, value in update.items():
        match target.get(key), value:
            case _ if key not in target:
                target[key] = deepcopy(value)
            case (dict() as mine, dict() as theirs):
                _merge(action, mine, theirs, (*location, key))
            case (list() as mine, list() as theirs):
                mine.extend(deepcopy(theirs))
            case (dict() | list(), _) | (_, dict() | list()):
                place = pointer(*location, key)
                raise OverlayError(f"{action} changes the type of {place}")
            case _:
                target[key] = value


def _at(document: JsonObject, location: Location) -> Json:
    value: Json = document
    for step in location:
        match value, step:
            case (dict() as parent, str(key)):
                value = parent[key]
            case (list() as parent, int(index)):
                value = parent[index]
    return value
