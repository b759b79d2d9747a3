"""Compare what actions remove with their records of it.

Later actions write our own text in place of what is removed, and so a change of it would not show in the result.
"""

from collections.abc import Iterator
from itertools import groupby

from spec.documents import Json, JsonObject, Place, first_difference
from spec.overlays.actions import RECORD, Action
from spec.overlays.effects import Effects, Loss
from spec.overlays.targets import json_path, names
from spec.overlays.wording import difference, listed, plural_s, some


def unrecorded(effects: Effects) -> Iterator[Loss]:
    """Find the actions that remove what they do not record."""
    for action, group in groupby(effects.removed, key=lambda removed: removed[0]):
        if action.record is not None:
            removed = {place: value for _, place, value in group}
            yield from _changed(effects, action, action.record, removed)
            yield from _incomplete(effects, action, action.record, removed)


def _changed(effects: Effects, action: Action, record: JsonObject, removed: dict[Place, Json]) -> Iterator[Loss]:
    changed = {
        json_path(place): place
        for place, value in sorted(removed.items())
        if first_difference(record.get(json_path(place), value), value) is not None and not effects.is_undone(place)
    }
    if changed:
        old = {path: record[path] for path in changed}
        lines = difference(old, {path: removed[place] for path, place in changed.items()})
        copies = (
            effects.writers(action.index, place) | effects.copies(record[path]) for path, place in changed.items()
        )
        writers = set().union(*copies)
        first = f"adapt {listed(writers)}, which write{plural_s(writers)} it back, and then " if writers else ""
        advice = f"{lines}\n{first}put the page's new value into `{RECORD}` of {action.name}"
        yield Loss(action.index, f"{action} hides a change: the vendor has changed {some(changed)}", advice)


def _incomplete(effects: Effects, action: Action, record: JsonObject, removed: dict[Place, Json]) -> Iterator[Loss]:
    # What is recorded and not there any more is reported as a target that matches nothing.
    missed = {json_path(names(query) or ()) for other, query in effects.missed if other is action}
    found = {json_path(place): value for place, value in sorted(removed.items())}
    lacking = {path: value for path, value in found.items() if path not in record}
    superfluous = {path: value for path, value in record.items() if path not in found.keys() | missed}
    if lacking or superfluous:
        advice = f"{difference(superfluous, lacking)}\ncorrect `{RECORD}` of {action.name} so"
        yield Loss(action.index, f"{action} records something else than it removes", advice)
