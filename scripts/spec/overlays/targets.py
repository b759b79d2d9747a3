"""The targets of an overlay's actions: queries, taken apart into their segments, and the locations that they select."""

import re
from collections.abc import Iterable
from itertools import product

import jsonpath_rfc9535 as jsonpath
from jsonpath_rfc9535.selectors import NameSelector

from spec.documents import Json, Place

Segments = tuple[str, ...]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def segments_of(target: str) -> Segments:
    """Return the segments of a query, each in its longest form, such as `['paths']`."""
    return tuple(map(str, jsonpath.compile(target).segments))


def alternatives(target: str) -> list[Segments]:
    """Return the segments of a query, once for each combination of the names in them."""
    choices = []
    for segment in jsonpath.compile(target).segments:
        selectors = segment.selectors
        is_union = len(selectors) > 1 and all(isinstance(selector, NameSelector) for selector in selectors)
        mark = ".." if str(segment).startswith("..") else ""
        choices.append([f"{mark}[{selector}]" for selector in selectors] if is_union else [str(segment)])
    return [*product(*choices)]


def select(segments: Iterable[str], document: Json) -> list[Place]:
    """Return the locations that a query selects."""
    nodes = jsonpath.find("$" + "".join(segments), document) if isinstance(document, dict | list) else []
    return [node.location for node in nodes]


def names(segments: Segments) -> Place | None:
    """Return the location that a query of nothing but names selects, or None for another query."""
    location = []
    for segment in segments:
        (selector, *others) = jsonpath.compile("$" + segment).segments[0].selectors
        if others or not isinstance(selector, NameSelector) or segment.startswith(".."):
            return None
        location.append(selector.name)
    return tuple(location)


def json_path(location: Place) -> str:
    """Return a location as a JSONPath query, in its short form."""
    return "$" + "".join(
        f".{step}" if isinstance(step, str) and _WORD.fullmatch(step) else f"[{step!r}]" for step in location
    )


def short(segments: Iterable[str]) -> str:
    """Return segments as they are usually written."""
    return "".join(re.sub(r"^\['([A-Za-z_]\w*)'\]$", r".\1", segment) for segment in segments)
