"""A description read by places, with its references followed: what a schema admits, however it says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from spec.documents import Json, JsonObject

Place: TypeAlias = tuple[str | int, ...]

_JSON_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
}
_BRANCHES = ("anyOf", "oneOf", "allOf")


@dataclass(frozen=True)
class View:
    """Answers questions about parts of a document; a part that is absent answers like an empty object."""

    document: JsonObject

    def at(self, place: Place) -> Json:
        """Return what is at a place; None if nothing is."""
        value: Json = self.document
        for step in place:
            match value, step:
                case (dict(), str(key)):
                    value = value.get(key)
                case (list(), int(index)) if index < len(value):
                    value = value[index]
                case _:
                    return None
        return value

    def object(self, place: Place) -> JsonObject:
        """Return the object at a place."""
        value = self.at(place)
        return value if isinstance(value, dict) else {}

    def places(self, place: Place) -> list[Place]:
        """Return the places of an array's entries."""
        value = self.at(place)
        return [(*place, index) for index in range(len(value))] if isinstance(value, list) else []

    def follow(self, place: Place) -> Place:
        """Return the place to which the local references lead that begin at a place."""
        seen: set[Place] = set()
        while place not in seen:
            seen.add(place)
            reference = self.object(place).get("$ref")
            if isinstance(reference, str) and reference.startswith("#/"):
                tokens = reference.removeprefix("#/").split("/")
                place = tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)
        return place

    def types(self, schema: Place) -> frozenset[str]:
        """Return the JSON types that a schema admits; an empty set if it admits all."""
        place = self.follow(schema)
        own = self.object(place)
        listed = own.get("type") or [_JSON_TYPES.get(type(value), "null") for value in self.values(place)]
        found = frozenset(map(str, listed if isinstance(listed, list) else [listed]))
        for keyword in _BRANCHES:
            branches = [self.types(branch) for branch in self.places((*place, keyword))]
            known = [branch for branch in branches if branch]
            if keyword == "allOf":
                admitted = frozenset.intersection(*known) if known else frozenset()
            else:
                admitted = frozenset().union(*known) if len(known) == len(branches) else frozenset()
            found = found & admitted or admitted if found and admitted else found or admitted
        return found | {"null"} if found and own.get("nullable") is True else found

    def formats(self, schema: Place) -> set[str | None]:
        """Return the formats of the text that a schema admits; None stands for text without one."""
        place = self.follow(schema)
        branches = [branch for keyword in _BRANCHES for branch in self.places((*place, keyword))]
        if branches:
            return set().union(*map(self.formats, branches))
        own = self.object(place)
        found = own.get("format")
        return set() if own.get("type") == "null" else {found if isinstance(found, str) else None}

    def values(self, schema: Place) -> list[Json]:
        """Return the values to which a schema is limited by itself; none if it is not."""
        own = self.object(self.follow(schema))
        listed = own.get("enum")
        return [own["const"]] if "const" in own else list(listed) if isinstance(listed, list) else []

    def is_open(self, schema: Place) -> bool:
        """Return whether a schema admits text beside the values that it lists."""
        place = self.follow(schema)
        if self.values(place):
            return False
        either = [branch for keyword in ("anyOf", "oneOf") for branch in self.places((*place, keyword))]
        return (not either or any(map(self.is_open, either))) and all(map(self.is_open, self.places((*place, "allOf"))))

    def properties(self, schema: Place) -> dict[str, Place]:
        """Return the places of an object's fields by name, those of all branches included."""
        return dict(self._properties(schema, frozenset()))

    def _properties(self, schema: Place, seen: frozenset[Place]) -> Iterator[tuple[str, Place]]:
        place = self.follow(schema)
        if place in seen:
            return
        for keyword in _BRANCHES:
            for branch in self.places((*place, keyword)):
                yield from self._properties(branch, seen | {place})
        for name in self.object((*place, "properties")):
            yield name, (*place, "properties", name)
