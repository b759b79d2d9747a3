"""Apply an OpenAPI Overlay 1.0 document: our corrections to the vendor's description.

It is stricter than the specification in one point: an action that matches nothing, or changes nothing, is an error,
because the published page has changed and the correction needs a review. The error says what has become of its target;
see `losses`. Public tools exit with 0 in that case.

An action may record what it removes, in `x-removes`. A change of that is an error, too, because it would not show in
the result.

Version 1.0.0 only says that an update must be "compatible" with its target. This module follows the wording of 1.1.0:
objects merge, arrays are concatenated, primitives replace primitives, and anything else is an error.
"""

from copy import deepcopy
from pathlib import Path

import jsonpath_rfc9535 as jsonpath

from spec.documents import Json, JsonObject, Place, Problem, pointer, value_at
from spec.overlays.actions import Action, OverlayError, parse
from spec.overlays.effects import Effects
from spec.overlays.losses import losses
from spec.overlays.targets import alternatives, select
from spec.texts.sources import Source, read_source

OVERLAY = "overlay.json"


def corrected(document: JsonObject, openapi: Path) -> JsonObject:
    """Apply the overlay of a folder such as `openapi`; without a file, return the document.

    Raises:
        OverlayError: See `apply`.
    """
    path = openapi / OVERLAY
    return apply(document, read_source(path, f"{openapi.name}/{OVERLAY}")) if path.exists() else document


def apply(document: JsonObject, source: Source) -> JsonObject:
    """Apply the actions of an overlay in order, each to the result of the previous one.

    Args:
        document: The document to correct; it is not modified.
        source: An Overlay 1.0 document.

    Returns:
        A new document.

    Raises:
        OverlayError: The overlay is malformed, actions have lost their effect, or one doesn't fit what it matches.
    """
    effects = Effects(document, deepcopy(document))
    for action in parse(source):
        try:
            _apply(action, effects)
        except _UnfitError as error:
            line = source.line("actions", action.index)
            raise OverlayError(Problem(source.file, line, f"{action} {error}")) from error
    if lost := losses(effects):
        raise OverlayError(
            *(Problem(source.file, source.line("actions", loss.index), loss.reason, loss.advice) for loss in lost)
        )
    return effects.result


class _UnfitError(Exception):
    """An action doesn't fit what it matches; the message continues its name."""


def _apply(action: Action, effects: Effects) -> None:
    # Change the deepest and last matches first, so that the other locations stay valid.
    locations = sorted(_select(action, effects), reverse=True)
    if action.remove:
        effects.record_removals(action, locations)
    for location in locations:
        if action.remove:
            _remove(effects.result, location)
        elif effects.is_new(action, location):
            _update(effects.result, location, action.update)


def _select(action: Action, effects: Effects) -> set[Place]:
    try:
        queries = alternatives(action.target)
    except jsonpath.JSONPathError as error:
        raise _UnfitError(f"is not a JSONPath query (RFC 9535): {error}") from error
    found: set[Place] = set()
    for query in queries:
        locations = select(query, effects.result)
        found.update(locations)
        if not locations:
            effects.record_miss(action, query)
    for location in found:
        if not isinstance(value_at(effects.result, location), dict | list):
            raise _UnfitError(f"matches {pointer(*location)}, which is neither an object nor an array")
    return found


def _remove(document: JsonObject, location: Place) -> None:
    if not location:
        raise _UnfitError("would remove the whole document")
    match value_at(document, location[:-1]), location[-1]:
        case (dict() as parent, str(key)):
            del parent[key]
        case (list() as parent, int(index)):
            del parent[index]


def _update(document: JsonObject, location: Place, update: Json) -> None:
    target = value_at(document, location)
    if isinstance(target, list):
        target.append(deepcopy(update))
    elif isinstance(target, dict) and isinstance(update, dict):
        _merge(target, update, location)
    else:
        raise _UnfitError(f"updates the object at {pointer(*location)} with something that is not an object")


def _merge(target: JsonObject, update: JsonObject, location: Place) -> None:
    for key, value in update.items():
        match target.get(key), value:
            case _ if key not in target:
                target[key] = deepcopy(value)
            case (dict() as mine, dict() as theirs):
                _merge(mine, theirs, (*location, key))
            case (list() as mine, list() as theirs):
                mine.extend(deepcopy(theirs))
            case (dict() | list(), _) | (_, dict() | list()):
                raise _UnfitError(f"changes the type of {pointer(*location, key)}")
            case _:
                target[key] = value
