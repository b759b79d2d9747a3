"""Turn what a server of one description sends into what a server of another would send, derived from both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spec.documents import Place
from spec.facade.view import View

NO_UUID = "job-"  # what an id begins with once the description does not promise a UUID any more
_EXAMPLES: dict[str, Any] = {
    "string": "example", "integer": 7, "number": 7.5, "boolean": True, "array": [], "object": {}, "null": None,
}  # fmt: skip
_FORMATS = {
    "date": "2026-05-20",
    "date-time": "2026-05-20T12:00:00Z",
    "uuid": "5a0c2f3e-1111-4222-8333-944455556666",
    "uri": "https://example.com/7",
}


@dataclass(frozen=True)
class Shaper:
    """Converts values from one description's schemas to another's."""

    old: View
    new: View

    def shaped(self, value: Any, was: Place, now: Place) -> Any:
        """Return a value as a server sends it whose schema is `now` instead of `was`."""
        was, now = self.old.follow(was), self.new.follow(now)
        types = self.new.types(now)
        if isinstance(value, list) and "array" not in types and "object" in types:
            return self._wrapped(value, was, now)
        if isinstance(value, list) and (not types or "array" in types):
            return [self.shaped(item, (*was, "items"), (*now, "items")) for item in value]
        if isinstance(value, dict) and (not types or "object" in types):
            return self._object(value, was, now)
        return self._converted(self._renamed(value, was, now), was, now)

    def _wrapped(self, value: list[Any], was: Place, now: Place) -> dict[str, Any]:
        fields = self.new.properties(now)
        return {
            name: self.shaped(value, was, field) if "array" in self.new.types(field) else self.example(field)
            for name, field in fields.items()
        }

    def _object(self, value: dict[str, Any], was: Place, now: Place) -> dict[str, Any]:
        """Drop the fields that are not described any more, and add new ones; the others stay absent if they are."""
        before, after = self.old.properties(was), self.new.properties(now)
        found: dict[str, Any] = {}
        for name, field in after.items():
            if name in value:
                found[name] = self.shaped(value[name], before.get(name, ()), field)
            elif name not in before:
                found[name] = self.example(field)
            elif "null" in self.new.types(field) - self.old.types(before[name]):
                found[name] = None
        return found

    def _renamed(self, value: Any, was: Place, now: Place) -> Any:
        """Return the listed value that has taken the place of one that is not listed any more, or never was."""
        before, after = listed_values(self.old, was), listed_values(self.new, now)
        if after and value in before and value not in after:
            return after[min(before.index(value), len(after) - 1)]
        is_closed = after and not self.new.is_open(now)
        return after[0] if is_closed and value not in after and json_type(value) == "string" else value

    def _converted(self, value: Any, was: Place, now: Place) -> Any:
        types = self.new.types(now)
        if isinstance(value, str) and "uuid" in self.old.formats(was) and "uuid" not in self.new.formats(now):
            return f"{NO_UUID}{value}"
        kind = json_type(value)
        if not types or kind in types:
            return value
        if kind == "integer" and "number" in types:
            return float(value)
        if "object" in types:
            fields = self.new.properties(now).items()
            return {name: value if kind in self.new.types(field) else self.example(field) for name, field in fields}
        return [value] if "array" in types else self.example(now)

    def example(self, schema: Place) -> Any:
        """Return a value that a schema admits."""
        place = self.new.follow(schema)
        stated = self.new.object(place).get("example")
        listed = listed_values(self.new, place)
        if stated is not None or listed:
            return stated if stated is not None else listed[0]
        types = sorted(self.new.types(place) - {"null"})
        if "object" in types:
            return {name: self.example(field) for name, field in self.new.properties(place).items()}
        formats = [_FORMATS[each] for each in self.new.formats(place) if each in _FORMATS]
        return formats[0] if formats and "string" in types else _EXAMPLES[types[-1] if types else "string"]


def json_type(value: Any) -> str:
    """Return the name of the JSON type of a value."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


def listed_values(view: View, schema: Place) -> list[Any]:
    """Return the values that a schema lists, in any of its branches."""
    place = view.follow(schema)
    branches = [branch for keyword in ("anyOf", "oneOf") for branch in view.places((*place, keyword))]
    return view.values(place) or [value for branch in branches for value in listed_values(view, branch)]
