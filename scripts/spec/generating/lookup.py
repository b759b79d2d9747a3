"""What a schema of a document is, with its references followed."""

from dataclasses import dataclass
from typing import Final

from spec.documents import Json, JsonObject, as_list, as_object, object_at, value_at
from spec.references import place_referred_to

UNIONS: Final = ("anyOf", "oneOf")
# Real documents nest less deeply; one that nests endlessly must not hang.
DEPTH: Final = 60


@dataclass(frozen=True)
class Lookup:
    """A document whose references are followed."""

    document: JsonObject

    def target(self, reference: str) -> Json:
        """Return what a local reference points to, or an empty schema."""
        place = place_referred_to(self.document, {"$ref": reference})
        found = None if place is None else value_at(self.document, place)
        return {} if found is None else found

    def follow(self, part: Json) -> JsonObject:
        """Return what a part is, with its references followed."""
        while isinstance(part, dict) and isinstance(reference := part.get("$ref"), str):
            part = self.target(reference)
        return as_object(part)

    def last_reference(self, part: Json) -> Json:
        """Return the last of a chain of references, because the generator follows one only; or else the part itself."""
        target = part
        while isinstance(target, dict) and isinstance(reference := target.get("$ref"), str):
            target = self.target(reference)
            if isinstance(target, dict) and "$ref" in target:
                part = target
        return part

    def resolve(self, schema: Json) -> JsonObject:
        """Follow references, and compositions of a single schema."""
        for _ in range(DEPTH):
            if not isinstance(schema, dict):
                return {}
            composed = members(schema)
            if isinstance(reference := schema.get("$ref"), str):
                schema = self.target(reference)
            elif len(composed) == 1 and not {"properties", "type"} & schema.keys():
                schema = composed[0]
            else:
                return schema
        return {}

    def kind(self, schema: Json) -> str | None:
        """Return the one type of a schema, or None if it has several or none."""
        resolved = self.resolve(schema)
        kind = resolved.get("type")
        if isinstance(kind, str) and not any(key in resolved for key in UNIONS):
            return kind
        if "properties" in resolved or "allOf" in resolved:
            return "object"
        return None

    def is_union(self, schema: Json) -> bool:
        """Return whether a schema has several types."""
        resolved = self.resolve(schema)
        return any(key in resolved for key in UNIONS) or isinstance(resolved.get("type"), list)

    def is_plain(self, schema: Json) -> bool:
        """Return whether the generator accepts a schema for a header, a path parameter or a cookie."""
        resolved = self.resolve(schema)
        if self.is_union(resolved):
            return False
        formats = {"date", "date-time", "binary"} if resolved.get("type") == "string" else set()
        return resolved.get("type") in {"string", "integer", "number", "boolean"} and (
            resolved.get("format") not in formats
        )

    def is_object(self, member: Json) -> bool:
        """Return whether a schema makes a class with attributes."""
        resolved = self.resolve(member)
        return not any(key in resolved for key in UNIONS) and (
            resolved.get("type") == "object" or bool({"properties", "allOf"} & resolved.keys())
        )

    def is_nullable(self, schema: Json, depth: int = 0) -> bool:
        """Return whether a schema allows null."""
        resolved = self.resolve(schema)
        if "null" in as_list(resolved.get("type")) or resolved.get("type") == "null":
            return True
        return depth < DEPTH and any(
            self.is_nullable(one, depth + 1) for key in UNIONS for one in as_list(resolved.get(key))
        )

    def has_no_text(self, schema: Json, depth: int = 0) -> bool:
        """Return whether a value of a schema, or an item of one, may be an object or an array in an array.

        The generated code would send these outside of JSON as Python prints them.
        """
        resolved = self.resolve(schema)
        if self.is_object(resolved) or "object" in as_list(resolved.get("type")):
            return True
        items = resolved.get("items", {})
        inner = [*as_list(resolved.get("prefixItems")), *(one for key in UNIONS for one in as_list(resolved.get(key)))]
        return depth < DEPTH and (
            self.kind(items) == "array" or any(self.has_no_text(one, depth + 1) for one in (items, *inner))
        )

    def all_properties(self, schema: Json, depth: int = 0) -> JsonObject:
        """Return the properties of a schema and of all parts of its `allOf`."""
        resolved = self.resolve(schema)
        found: JsonObject = {}
        for member in as_list(resolved.get("allOf")) if depth < DEPTH else []:
            found |= self.all_properties(member, depth + 1)
        return found | object_at(resolved, "properties")

    def all_required(self, schema: Json, depth: int = 0) -> list[Json]:
        """Return the names of the properties that a schema or a part of its `allOf` requires."""
        resolved = self.resolve(schema)
        found = list(as_list(resolved.get("required")))
        for member in as_list(resolved.get("allOf")) if depth < DEPTH else []:
            found += self.all_required(member, depth + 1)
        return found


def members(schema: JsonObject) -> list[Json]:
    """Return the schemas that a schema is composed of."""
    return [member for key in ("allOf", *UNIONS) for member in as_list(schema.get(key))]
