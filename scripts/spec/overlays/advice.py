"""Explain why the target of an overlay's action matches nothing any more.

Either the vendor has mended the fault, so that the action can go; or what it corrects has moved, so that its target has
to follow; or it is gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import jsonpath_rfc9535 as jsonpath
from jsonpath_rfc9535.filter_expressions import Expression, LogicalExpression, PrefixExpression
from jsonpath_rfc9535.selectors import FilterSelector

from spec.documents import Json, JsonObject, object_at, value_at
from spec.overlays.likeness import is_successor, resembles
from spec.overlays.targets import Segments, json_path, names, select, short
from spec.references import place_referred_to


class Cause(Enum):
    """What has become of a target, as the end of a sentence."""

    MENDED = "the vendor has mended the fault"
    MOVED = "the vendor has moved what it corrects"
    RENAMED = "the vendor has renamed what it corrects"
    GONE = "the vendor has removed what it corrects"


@dataclass(frozen=True)
class Explanation:
    """Why a target matches nothing.

    Attributes:
        cause: What has become of it.
        places: The places that are mended, the targets to use instead, or the place that is missing.
    """

    cause: Cause
    places: tuple[str, ...] = ()


def explain(segments: Segments, published: JsonObject, *, update: Json, keeps: bool, record: JsonObject) -> Explanation:
    """Explain why a query selects nothing.

    Args:
        segments: The segments of the query.
        published: The document as published.
        update: What the action adds; None if it removes.
        keeps: Whether the overlay needs the target, because this action updates it or another one writes it again.
        record: What the action removed when it was written, by the JSONPath of each place.
    """
    relaxed = tuple(map(_relaxed, segments))
    if relaxed != segments and (found := select(relaxed, published)):
        return Explanation(Cause.MENDED, tuple(map(json_path, found)))
    if targets := dict.fromkeys(_moved(segments, published, update)):
        return Explanation(Cause.MOVED, tuple(targets))
    if places := tuple(_renamed(segments, published, record)):
        return Explanation(Cause.RENAMED, places)
    if not keeps and select(segments[:-1], published):
        return Explanation(Cause.MENDED)
    lengths = range(1, len(segments) + 1)
    missing = next((length for length in lengths if not select(segments[:length], published)), len(segments))
    return Explanation(Cause.GONE, ("$" + short(segments[:missing]),))


def _relaxed(segment: str) -> str:
    """Return a segment without the conditions that something is absent."""
    selectors = jsonpath.compile("$" + segment).segments[0].selectors
    if len(selectors) != 1 or not isinstance(selectors[0], FilterSelector):
        return segment
    conditions = [*_conditions(selectors[0].expression.expression)]
    kept = [str(condition) for condition in conditions if not isinstance(condition, PrefixExpression)]
    if len(kept) == len(conditions):
        return segment
    return f"[?{' && '.join(kept)}]" if kept else "[*]"


def _conditions(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, LogicalExpression) and expression.operator == "&&":
        yield from _conditions(expression.left)
        yield from _conditions(expression.right)
    else:
        yield expression


def _moved(segments: Segments, published: JsonObject, update: Json) -> Iterator[str]:
    """Find targets that select now what the segments may have selected before."""
    known = max((length for length in range(len(segments)) if select(segments[:length], published)), default=0)
    rest = segments[known:]
    for start in select(segments[:known], published):
        referred = place_referred_to(published, value_at(published, start))
        if referred is not None and select(rest, value_at(published, referred)):
            yield json_path(referred) + short(rest)
    # What stands deeper in the same place, or else the longest end of the target that stands in another place.
    ends = [(segments[:known], rest)] if known else []
    ends += [((), segments[first:]) for first in range(1 if len(segments) > 1 else 0, len(segments))]
    for start, end in ends:
        found = select((*start, f"..{end[0].removeprefix('..')}", *end[1:]), published)
        if not start and len(end) == 1 < len(segments) and "?" not in end[0]:
            # A single key says little, unless its value resembles the update.
            found = [location for location in found if resembles(value_at(published, location), update)]
        if found:
            yield from (json_path(location[: -len(end)]) + short(end) for location in found)
            return


def _renamed(segments: Segments, published: JsonObject, record: JsonObject) -> Iterator[str]:
    """Find where the recorded value stands under another name."""
    location = names(segments)
    if location is None or (old := record.get(json_path(location))) is None:
        return
    known = max(length for length in range(len(location)) if select(segments[:length], published))
    for key in object_at(published, *location[:known]):
        place = (*location[:known], key, *location[known + 1 :])
        if json_path(place) not in record and is_successor(value_at(published, place), old):
            yield json_path(place)
