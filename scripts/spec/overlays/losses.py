"""Find the actions of an overlay that have lost their effect, and say what to do with each.

An action may depend on another: one removes a property, the next writes it back, a third completes it. A loss is
reported once, at the first of them, and names the others.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from spec.documents import Place, value_at
from spec.overlays.actions import RECORD, Action
from spec.overlays.advice import Cause, Explanation, explain
from spec.overlays.effects import Effects, Loss
from spec.overlays.likeness import says
from spec.overlays.records import unrecorded
from spec.overlays.targets import Segments, alternatives, json_path, names, segments_of
from spec.overlays.wording import listed, plural_s, some


def losses(effects: Effects) -> list[Loss]:
    """Return the actions that have lost their effect, or a part of it, in their order."""
    followers: dict[int, set[int]] = {}
    found = [*_missed(effects, followers), *_idle(effects), *_undone(effects), *unrecorded(effects)]
    return [
        Loss(loss.index, loss.reason, "\n".join([loss.advice, *_dependants(followers.get(loss.index, set()))]))
        for loss in sorted(found, key=lambda loss: loss.index)
    ]


def _dependants(followers: set[int]) -> Iterator[str]:
    if followers:
        yield f"{listed(followers)} depend{'s' if len(followers) == 1 else ''} on it"


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
        whole = _explain(effects, action, segments_of(action.target))
        if len(lost) == len(every) and {explanation.cause for _, explanation in lost} == {whole.cause}:
            lost, every = [(segments_of(action.target), whole)], []
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
    candidates = [(*new, *location[len(old) :]) for old, new in _moves(effects) if location[: len(old)] == old]
    places = {json_path(place) for place in candidates if value_at(effects.published, place) is not None}
    return Explanation(Cause.MOVED, tuple(sorted(places))) if places else found


def _explain_alone(effects: Effects, action: Action, query: Segments) -> Explanation:
    writers = _writers(effects, action, [query] if names(query) else alternatives(action.target))
    update = None if action.remove else action.update
    keeps = not action.remove or bool(writers)
    return explain(query, effects.published, update=update, keeps=keeps, record=action.record or {})


def _moves(effects: Effects) -> set[tuple[Place, Place]]:
    """Return the old and the new beginnings of the targets that have moved."""
    explained = ((query, _explain_alone(effects, action, query)) for action, query in effects.missed)
    return {move for query, explanation in explained if (move := _move(query, explanation)) is not None}


def _move(query: Segments, explanation: Explanation) -> tuple[Place, Place] | None:
    """Return what the beginning of a target has become, without the end that is as it was."""
    if explanation.cause not in {Cause.MOVED, Cause.RENAMED} or len(explanation.places) > 1:
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
    also = f"\nalso change {listed(writers)}, which write{plural_s(writers)} it there again" if writers else ""
    match explanation.cause:
        case Cause.MOVED:
            choice = f"change the target of {action.name} to {'it' if len(places) == 1 else 'the right one'}"
            choice = f"{drop}, and write an action for it" if label else choice
            return f"the same key now stands at {some(places)}: {choice}{also}"
        case Cause.RENAMED:
            return f"it is now {some(places)}: write the new name in {action.name}, in `target` and `{RECORD}`{also}"
        case Cause.GONE:
            return f"the page no longer has {places[0]}: {drop}, or change the target{also}"
        case _:
            return f"{drop}, if the document is right at {some(places)}" if places else drop


def _idle(effects: Effects) -> Iterator[Loss]:
    for action, group in groupby(effects.idle, key=lambda idle: idle[0]):
        places = [location for _, location in group]
        by_vendor = all(says(value_at(effects.published, place), action.update) for place in places)
        cause = Cause.MENDED.value if by_vendor else "an earlier action does the same"
        matched = effects.written[action.index]
        if len(matched) > len(places) * (len(action.update) if isinstance(action.update, dict) else 1):
            where = some([json_path(place) for place in places])
            advice = f"narrow the target of {action.name}, so that it leaves them out"
            yield Loss(action.index, f"{action} changes nothing at {where}: {cause}", advice)
        else:
            yield Loss(action.index, f"{action} changes nothing: {cause}", f"delete {action.name}")


def _undone(effects: Effects) -> Iterator[Loss]:
    """Find what one action removes and others write back as it was published."""
    for action, group in groupby(effects.removed, key=lambda removed: removed[0]):
        places = [location for _, location, _ in group]
        undone = [place for place in places if effects.is_undone(place)]
        if undone:
            writers = set().union(*(effects.writers(action.index, place) for place in undone))
            labels = "" if len(undone) == len(places) else ", ".join(repr(place[-1]) for place in sorted(undone))
            also = f"and what {listed(writers)} write{plural_s(writers)} there"
            advice = f"take {labels} out of {action.name}, {also}" if labels else f"delete {action.name}, {also}"
            reason = (
                f"{action} removes {labels or 'what'} is published as {listed(writers)} write{plural_s(writers)} it"
            )
            yield Loss(action.index, f"{reason}: {Cause.MENDED.value}", advice)


def _label(query: Segments, every: list[Segments]) -> str:
    """Return the names by which a query differs from the others of its action."""
    varying = [segment for segment, *others in zip(query, *every, strict=True) if len({*others}) > 1]
    return ", ".join(segment.strip("[].") for segment in varying)
