"""Find the actions of an overlay that have lost their effect, and say what to do with each.

An action may depend on another: one removes a property, the next writes it back, a third completes it. A loss is
reported once, at the first of them, and names the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from spec.documents import JsonObject, Place, object_at, value_at
from spec.overlays.actions import Action
from spec.overlays.advice import Cause, Explanation, explain
from spec.overlays.likeness import same, says
from spec.overlays.targets import Segments, alternatives, json_path, names, segments_of

MOST_PLACES = 3  # that a message names


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
        removed: The actions with the places that they removed.
        written: By the index of an action, the places that it writes, or would write if it matched.
    """

    published: JsonObject
    result: JsonObject
    missed: list[tuple[Action, Segments]] = field(default_factory=list)
    idle: list[tuple[Action, Place]] = field(default_factory=list)
    removed: list[tuple[Action, Place]] = field(default_factory=list)
    written: dict[int, set[Place]] = field(default_factory=dict)

    def record_miss(self, action: Action, query: Segments) -> None:
        """Note that a target matches nothing."""
        self.missed.append((action, query))
        if (location := names(query)) is not None and not action.remove:
            self._record_writing(action, location)

    def record_removal(self, action: Action, location: Place) -> None:
        """Note that a place was removed."""
        self.removed.append((action, location))

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

    def leader(self, index: int, location: Place) -> int | None:
        """Return the earlier action that would have written a place, if it had matched."""
        lost = {action.index for action, _ in self.missed if action.index < index}
        places = ((other, place) for other in sorted(lost) for place in self.written.get(other, ()))
        return next((other for other, place in places if location[: len(place)] == place), None)

    @cached_property
    def moves(self) -> set[tuple[Place, Place]]:
        """The old and the new beginnings of the targets that have moved."""
        explained = ((query, _explain_alone(self, action, query)) for action, query in self.missed)
        return {move for query, explanation in explained if (move := _move(query, explanation)) is not None}

    def _record_writing(self, action: Action, location: Place) -> None:
        keys = action.update if isinstance(action.update, dict) else [0]
        self.written.setdefault(action.index, set()).update((*location, key) for key in keys)


def losses(effects: Effects) -> list[Loss]:
    """Return the actions that have lost their effect, or a part of it, in their order."""
    followers: dict[int, set[int]] = {}
    found = [*_missed(effects, followers), *_idle(effects), *_undone(effects)]
    return [
        Loss(loss.index, loss.reason, "\n".join([loss.advice, *_dependants(followers.get(loss.index, set()))]))
        for loss in sorted(found, key=lambda loss: loss.index)
    ]


def _dependants(followers: set[int]) -> Iterator[str]:
    if followers:
        yield f"{_listed(followers)} depend{'s' if len(followers) == 1 else ''} on it"


def _missed(effects: Effects, followers: dict[int, set[int]]) -> Iterator[Loss]:
    for action, group in groupby(effects.missed, key=lambda miss: miss[0]):
        lost: list[tuple[Segments, Explanation]] = []
        for _, query in group:
            location = names(query)
            explanation = _explain(effects, action, query)
            leader = effects.leader(action.index, location) if location is not None else None
            if leader is not None and explanation.cause is Cause.GONE:
                followers.setdefault(leader, set()).add(action.index)
            else:
                lost.append((query, explanation))
        every = alternatives(action.target)
        if len(lost) == len(every) and len({explanation.cause for _, explanation in lost}) == 1:
            lost, every = [(segments_of(action.target), _explain(effects, action, segments_of(action.target)))], []
        for query, explanation in lost:
            label = _label(query, every)
            subject = f"no longer matches {label}" if label else "matches nothing"
            writers = _writers(effects, action, [query] if every else alternatives(action.target))
            advice = _advice(action, explanation, label, writers)
            yield Loss(action.index, f"{action} {subject}: {explanation.cause.value}", advice)


def _explain(effects: Effects, action: Action, query: Segments) -> Explanation:
    found = _explain_alone(effects, action, query)
    if found.cause is not Cause.GONE or (location := names(query)) is None:
        return found
    # What another action corrects has moved, and this may have moved with it.
    candidates = [(*new, *location[len(old) :]) for old, new in effects.moves if location[: len(old)] == old]
    places = {json_path(place) for place in candidates if value_at(effects.published, place) is not None}
    return Explanation(Cause.MOVED, tuple(sorted(places))) if places else found


def _explain_alone(effects: Effects, action: Action, query: Segments) -> Explanation:
    writers = _writers(effects, action, [query] if names(query) else alternatives(action.target))
    update = None if action.remove else action.update
    return explain(query, effects.published, update=update, keeps=not action.remove or bool(writers))


def _move(query: Segments, explanation: Explanation) -> tuple[Place, Place] | None:
    """Return what the beginning of a target has become, without the end that is as it was."""
    if explanation.cause is not Cause.MOVED or len(explanation.places) > 1:
        return None
    old, new = names(query), names(segments_of(explanation.places[0]))
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return None if old is None or new is None else (old, new)


def _writers(effects: Effects, action: Action, queries: Iterable[Segments]) -> set[int]:
    """Return the actions that write what this one removes."""
    locations = [location for query in queries if action.remove and (location := names(query)) is not None]
    return set().union(*(effects.writers(action.index, location) for location in locations))


def _advice(action: Action, explanation: Explanation, label: str, writers: set[int]) -> str:
    places = explanation.places
    drop = f"take {label} out of {action.name}" if label else f"delete {action.name}"
    also = f"\nalso change {_listed(writers)}, which write{_s(writers)} it there again" if writers else ""
    match explanation.cause:
        case Cause.MOVED:
            choice = f"change the target of {action.name} to {'it' if len(places) == 1 else 'the right one'}"
            choice = f"{drop}, and write an action for it" if label else choice
            return f"the same key now stands at {_some(places)}: {choice}{also}"
        case Cause.GONE:
            return f"the page no longer has {places[0]}: {drop}, or change the target{also}"
        case _:
            return f"{drop}, if the document is right at {_some(places)}" if places else drop


def _idle(effects: Effects) -> Iterator[Loss]:
    for action, group in groupby(effects.idle, key=lambda idle: idle[0]):
        places = [location for _, location in group]
        by_vendor = all(says(value_at(effects.published, place), action.update) for place in places)
        cause = Cause.MENDED.value if by_vendor else "an earlier action does the same"
        matched = effects.written[action.index]
        if len(matched) > len(places) * (len(action.update) if isinstance(action.update, dict) else 1):
            where = _some([json_path(place) for place in places])
            advice = f"narrow the target of {action.name}, so that it leaves them out"
            yield Loss(action.index, f"{action} changes nothing at {where}: {cause}", advice)
        else:
            yield Loss(action.index, f"{action} changes nothing: {cause}", f"delete {action.name}")


def _undone(effects: Effects) -> Iterator[Loss]:
    """Find what one action removes and others write back as it was published."""
    for action, group in groupby(effects.removed, key=lambda removed: removed[0]):
        places = [location for _, location in group]
        undone = [place for place in places if _is_undone(effects, place)]
        if undone:
            writers = set().union(*(effects.writers(action.index, place) for place in undone))
            labels = "" if len(undone) == len(places) else ", ".join(repr(place[-1]) for place in sorted(undone))
            also = f"and what {_listed(writers)} write{_s(writers)} there"
            advice = f"take {labels} out of {action.name}, {also}" if labels else f"delete {action.name}, {also}"
            reason = f"{action} removes {labels or 'what'} is published as {_listed(writers)} write{_s(writers)} it"
            yield Loss(action.index, f"{reason}: {Cause.MENDED.value}", advice)


def _is_undone(effects: Effects, place: Place) -> bool:
    # The index of an array's entry may have changed.
    if any(isinstance(step, int) for step in place) or place[-1] not in object_at(effects.result, *place[:-1]):
        return False
    return same(value_at(effects.result, place), value_at(effects.published, place))


def _label(query: Segments, every: list[Segments]) -> str:
    """Return the names by which a query differs from the others of its action."""
    varying = [segment for segment, *others in zip(query, *every, strict=True) if len({*others}) > 1]
    return ", ".join(segment.strip("[].") for segment in varying)


def _listed(indices: Iterable[int]) -> str:
    listed = [f"actions[{index}]" for index in sorted(indices)]
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def _s(indices: set[int]) -> str:
    return "s" if len(indices) == 1 else ""


def _some(places: Iterable[str]) -> str:
    listed = [*places]
    more = len(listed) - MOST_PLACES
    return ", ".join(listed[:MOST_PLACES]) + (f" and {more} more" if more > 0 else "")
