"""A description read by places, with its references followed: what a schema admits, however it says so."""

from collections.abc import Iterator
from dataclasses import dataclass

from spec.documents import Json, JsonObject, Place, as_list, object_at, value_at
from spec.references import place_referred_to

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
        return value_at(self.document, place)

    def object(self, place: Place) -> JsonObject:
        """Return the object at a place."""
        return object_at(self.document, *place)

    def places(self, place: Place) -> list[Place]:
        """Return the places of an array's entries."""
        return [(*place, index) for index in range(len(as_list(self.at(place))))]

    def follow(self, place: Place) -> Place:
        """Return the place to which the local references lead that begin at a place."""
        seen: set[Place] = set()
        while place not in seen:
            seen.add(place)
            place = place_referred_to(self.document, self.at(place)) or place
        return place

    def types(self, schema: Place) -> frozenset[str]:
        """Return the JSON types that a schema admits; an empty set if it admits all."""
        return self._types(schema, frozenset())

    def _types(self, schema: Place, seen: frozenset[Place]) -> frozenset[str]:
        place = self.follow(schema)
        if place in seen:
            return frozenset()
        own = self.object(place)
        declared = own.get("type") or [_JSON_TYPES.get(type(value), "null") for value in self.values(place)]
        found = frozenset(map(str, declared if isinstance(declared, list) else [declared]))
        for keyword in _BRANCHES:
            branches = [self._types(branch, seen | {place}) for branch in self.places((*place, keyword))]
            known = [branch for branch in branches if branch]
            if keyword == "allOf":
                admitted = frozenset.intersection(*known) if known else frozenset()
            else:
                admitted = frozenset().union(*known) if len(known) == len(branches) else frozenset()
            found = found & admitted if found and admitted else found or admitted
        return found | {"null"} if found and own.get("nullable") is True else found

    def formats(self, schema: Place) -> frozenset[str | None]:
        """Return the formats of the text that a schema admits; None stands for text without one."""
        return frozenset(self._formats(schema, frozenset()))

    def _formats(self, schema: Place, seen: frozenset[Place]) -> Iterator[str | None]:
        place = self.follow(schema)
        branches = [branch for keyword in _BRANCHES for branch in self.places((*place, keyword))]
        for branch in branches if place not in seen else ():
            yield from self._formats(branch, seen | {place})
        own = self.object(place)
        if not branches and own.get("type") != "null":
            form = own.get("format")
            yield form if isinstance(form, str) else None

    def values(self, schema: Place) -> list[Json]:
        """Return the values to which a schema is limited by itself; none if it is not."""
        own = self.object(self.follow(schema))
        return [own["const"]] if "const" in own else list(as_list(own.get("enum")))

    def is_open(self, schema: Place) -> bool:
        """Return whether a schema admits text beside the values that it lists."""
        return self._is_open(schema, frozenset())

    def _is_open(self, schema: Place, seen: frozenset[Place]) -> bool:
        place = self.follow(schema)
        if self.values(place) or place in seen:
            return False
        either = [branch for keyword in ("anyOf", "oneOf") for branch in self.places((*place, keyword))]
        every = self.places((*place, "allOf"))
        is_open = [self._is_open(branch, seen | {place}) for branch in either]
        return (not either or any(is_open)) and all(self._is_open(branch, seen | {place}) for branch in every)

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
