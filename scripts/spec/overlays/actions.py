"""Parse an OpenAPI Overlay 1.0 document strictly: its actions, each with its place in the file."""

import re
from dataclasses import dataclass

from spec.documents import Json, JsonObject, Problem, SpecError
from spec.texts.sources import Source

RECORD = "x-removes"  # an extension of ours
VERSION = re.compile(r"1\.0\.\d+(-.+)?")
ROOT_FIELDS = frozenset({"overlay", "info", "extends", "actions"})
ACTION_FIELDS = frozenset({"target", "description", "update", "remove"})


class OverlayError(SpecError):
    """An overlay is malformed, or doesn't fit the document."""


@dataclass(frozen=True)
class Action:
    """A valid action: it has a target, and it either removes or updates.

    Attributes:
        index: Its index.
        target: A JSONPath query.
        remove: Whether it removes.
        update: What it adds otherwise.
        record: What it removes, by the JSONPath of each place; None if it has no record.
    """

    index: int
    target: str
    remove: bool
    update: Json
    record: JsonObject | None

    @property
    def name(self) -> str:
        """What the messages call it."""
        return f"actions[{self.index}]"

    def __str__(self) -> str:
        return f"{self.name} (target {self.target})"


def parse(source: Source) -> list[Action]:
    """Check that an overlay follows the specification, and return its actions.

    Raises:
        OverlayError: It is malformed; the message names the line.
    """
    return _Parser(source).actions(source.parse())


@dataclass(frozen=True)
class _Parser:
    source: Source

    def actions(self, overlay: JsonObject) -> list[Action]:
        version = overlay.get("overlay")
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise self._error(f"the overlay's version, `overlay`, is {version!r} and not 1.0.x", "overlay")
        self._refuse_unknown(overlay, ROOT_FIELDS, "the overlay")
        info = overlay.get("info")
        if not isinstance(info, dict) or not all(isinstance(info.get(key), str) for key in ("title", "version")):
            reason = "the overlay's `info` has to be an object with the strings `title` and `version`"
            raise self._error(reason, "info")
        actions = overlay.get("actions")
        if not isinstance(actions, list) or not actions:
            raise self._error("the overlay's `actions` has to be an array of at least one action", "actions")
        return [self._action(index, action) for index, action in enumerate(actions)]

    def _action(self, index: int, action: Json) -> Action:
        name, place = f"actions[{index}]", ("actions", index)
        if not isinstance(action, dict):
            raise self._error(f"{name} is not an object", *place)
        target, remove = action.get("target"), action.get("remove", False)
        if not isinstance(target, str):
            raise self._error(f"{name} has no `target`, or one that is not a string", *place)
        if not isinstance(remove, bool):
            raise self._error(f"{name} (target {target}): `remove` is neither true nor false", *place, "remove")
        if not isinstance(action.get("description", ""), str):
            raise self._error(f"{name} (target {target}): `description` is not a string", *place, "description")
        if not remove and "update" not in action:
            raise self._error(f"{name} (target {target}) neither updates nor removes anything", *place)
        self._refuse_unknown(action, ACTION_FIELDS, f"{name} (target {target})", *place)
        record = action.get(RECORD)
        if RECORD in action and not (remove and isinstance(record, dict)):
            reason = f"`{RECORD}` has to be an object, in an action that removes"
            raise self._error(f"{name} (target {target}): {reason}", *place, RECORD)
        return Action(index, target, remove, action.get("update"), record if isinstance(record, dict) else None)

    def _refuse_unknown(self, value: JsonObject, known: frozenset[str], name: str, *place: str | int) -> None:
        unknown = [key for key in value if key not in known and not key.startswith("x-")]
        if unknown:
            raise self._error(f"{name} has the unknown field {unknown[0]!r}", *place, unknown[0])

    def _error(self, reason: str, *place: str | int) -> OverlayError:
        return OverlayError(Problem(self.source.file, self.source.line(*place), reason))
