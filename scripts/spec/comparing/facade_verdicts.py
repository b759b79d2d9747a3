"""Which changes break the facade: those that bring a violation of its contract which the old document did not have."""

from collections.abc import Sequence
from dataclasses import replace

from spec.comparing.api import Api
from spec.comparing.change import Change, Changes
from spec.documents import JsonObject, pointer
from spec.facade.contract import Violation, violations


def with_facade(changes: Sequence[Change], old: JsonObject, new: JsonObject) -> list[Change]:
    """Return the changes with their verdicts for the facade.

    A violation that belongs to none of the changes becomes a change of its own, so that none is lost.

    Args:
        changes: What has changed.
        old: The document before.
        new: The document after.
    """
    found = [] if all(it.is_prose for it in changes) else violations(new)
    if not found:
        return list(changes)
    known = {it.sentence for it in violations(old)}
    paths = {operation.id: pointer(*operation.node.place) for operation in Api(new).operations}
    reasons: dict[int, str] = {}
    rest: list[Change] = []
    for violation in (it for it in found if it.sentence not in known):
        responsible = _responsible(changes, violation, paths)
        for index in responsible:
            reasons.setdefault(index, violation.sentence)
        if not responsible:
            rest += _alone(violation)
    rated = (replace(it, breaks_facade=True, facade_why=reasons[index]) if index in reasons else it
             for index, it in enumerate(changes))  # fmt: skip
    return [*rated, *rest]


def _alone(violation: Violation) -> list[Change]:
    found = Changes()
    found.add("facade-violated", f"contract of the facade at {pointer(*violation.place)}", violation.place)
    return [replace(it, breaks_facade=True, facade_why=violation.sentence) for it in found.found.values()]


def _responsible(changes: Sequence[Change], violation: Violation, paths: dict[str, str]) -> list[int]:
    """Return the indices of the changes that a violation is due to, by its place or else by its operation.

    Of several, those count that the sentence names, and that break the generated interface as well.
    """
    place = pointer(*violation.place)
    found = [index for index, it in enumerate(changes) if _is_within(it.place, place) or _is_within(place, it.place)]
    found = found or [index for index, it in enumerate(changes)
                      if any(_is_within(place, paths[name]) for name in it.used_in if name in paths)]  # fmt: skip
    scores = {index: (_name(changes[index]) in violation.sentence, changes[index].breaks_generated) for index in found}
    return [index for index in found if scores[index] == max(scores.values())]


def _is_within(place: str, other: str) -> bool:
    return place == other or place.startswith(f"{other}/")


def _name(change: Change) -> str:
    """Return the name of what has changed, such as StatusMessage of `field Job.StatusMessage`."""
    words = change.subject.split()
    return words[min(1, len(words) - 1)].rpartition(".")[2]
