"""What the actions of an overlay do, as far as the messages need it, and the form of a message."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from spec.documents import Json, JsonObject, Place, object_at, value_at
from spec.overlays.actions import Action
from spec.overlays.likeness import contains, same, says
from spec.overlays.targets import Segments, names


@dataclass(frozen=True)
class Loss:
    """An action that has lost its effect, with what the message says.

    Attributes:
        index: The action's.
        reason: What is wrong.
        advice: What to do.
    """

    index: int
    reason: str
    advice: str


@dataclass
class Effects:
    """What the actions have done so far.

    Attributes:
        published: The document before all actions.
        result: The document after them.
        missed: The actions with those of their targets that matched nothing.
        idle: The actions with the places that said already what they add.
        removed: The actions with the places that they removed, and what stood there.
        written: By the index of an action, the places that it writes, or would write if it matched.
    """

    published: JsonObject
    result: JsonObject
    missed: list[tuple[Action, Segments]] = field(default_factory=list)
    idle: list[tuple[Action, Place]] = field(default_factory=list)
    removed: list[tuple[Action, Place, Json]] = field(default_factory=list)
    written: dict[int, set[Place]] = field(default_factory=dict)

    def record_miss(self, action: Action, query: Segments) -> None:
        """Note that a target matches nothing."""
        self.missed.append((action, query))
        if (location := names(query)) is not None and not action.remove:
            self._record_writing(action, location)

    def record_removals(self, action: Action, locations: Iterable[Place]) -> None:
        """Note what is about to be removed."""
        self.removed += [(action, place, deepcopy(value_at(self.result, place))) for place in locations]

    def is_new(self, action: Action, location: Place) -> bool:
        """Note an update, and return whether it changes anything."""
        self._record_writing(action, location)
        if says(value_at(self.result, location), action.update):
            self.idle.append((action, location))
            return False
        return True

    def writers(self, index: int, location: Place) -> set[int]:
        """Return the other actions that write a place, or below it."""
        return {
            other
            for other, places in self.written.items()
            if other != index and any(place[: len(location)] == location for place in places)
        }

    def copies(self, value: Json) -> set[int]:
        """Return the actions that have written a value, in any place."""
        return {
            index
            for index, places in self.written.items()
            if any(contains(value_at(self.result, place), value) for place in places)
        }

    def is_undone(self, place: Place) -> bool:
        """Return whether a place was removed and written back as it was published."""
        # The index of an array's entry may have changed.
        if any(isinstance(step, int) for step in place) or place[-1] not in object_at(self.result, *place[:-1]):
            return False
        return same(value_at(self.result, place), value_at(self.published, place))

    def leader(self, index: int, location: Place) -> int | None:
        """Return the earlier action that would have written a place, if it had matched."""
        lost = {action.index for action, _ in self.missed if action.index < index}
        places = ((other, place) for other in sorted(lost) for place in self.written.get(other, ()))
        return next((other for other, place in places if location[: len(place)] == place), None)

    def _record_writing(self, action: Action, location: Place) -> None:
        keys = action.update if isinstance(action.update, dict) else [0]
        self.written.setdefault(action.index, set()).update((*location, key) for key in keys)
