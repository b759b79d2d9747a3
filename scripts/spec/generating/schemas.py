"""The rules for schemas: what the generator can express, and what it would refuse or lose."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

from openapi_python_client.strings import PythonIdentifier

from spec.documents import Json, JsonObject, Place, object_at, pointer
from spec.generating.class_names import RESERVED, TAKEN
from spec.generating.defaults import fits, is_corrupted
from spec.generating.inline_classes import move_inline_classes
from spec.generating.lookup import DEPTH, UNIONS, Lookup, members
from spec.generating.reading_order import in_reading_order
from spec.python_names import PREFIX, identifier

AT: Final = "x-at"
# What the generator reads. The rest is left out, because an unknown keyword may stop it.
_READ = frozenset(
    {"$ref", "type", "enum", "const", "format", "default", "description", "example", "x-enum-varnames"}
    | {"allOf", "anyOf", "oneOf", "items", "prefixItems", "properties", "required", "additionalProperties"}
)
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_SHAPES = frozenset({"$ref", "type", "enum", "const", "items", "properties", "additionalProperties", "allOf", *UNIONS})
_COMPONENT = re.compile(r"#/components/schemas/[^/]+")


@dataclass
class SchemaRules:
    """The rules, applied to the schemas of one document in place.

    Attributes:
        document: The copy that the generator gets.
        notes: The places of the document whose generated types say less, each with a sentence.
        look: Answers questions about its schemas.
    """

    document: JsonObject
    notes: list[tuple[Place, str]] = field(default_factory=list)
    look: Lookup = field(init=False)
    _aliases: dict[str, str] = field(default_factory=dict)
    _found: list[tuple[Json, Place, Callable[[Json], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.look = Lookup(self.document)

    def add(self, schema: Json, place: Place, replace: Callable[[Json], None]) -> None:
        """Remember a schema outside of the components."""
        self._found.append((schema, place, replace))

    def note(self, place: Place, sentence: str) -> None:
        """Report what the generated types leave out."""
        self.notes.append((place, sentence))

    def apply(self) -> None:
        """Apply the rules to all schemas of the components, and to those that were added."""
        schemas = object_at(self.document, "components", "schemas")
        self._aliases = {name: target for name in schemas if (target := self._alias(schemas[name]))}
        order = [name for name in in_reading_order(schemas, self._note_cycle) if name not in self._aliases]
        widened = {name: self._widen(schemas[name], ("components", "schemas", name)) for name in order}
        found = [(self._widen(schema, place), replace) for schema, place, replace in self._found]
        for schema, replace in found:
            replace(schema)
        schemas.clear()
        schemas.update(widened)
        move_inline_classes(schemas)

    def _alias(self, schema: Json) -> str | None:
        """Return the reference of a composition of nothing but one object, which is that object."""
        seen: set[str] = set()
        found: str | None = None
        while isinstance(schema, dict) and not {"properties", "additionalProperties"} & schema.keys():
            composed = members(schema)
            only = composed[0] if len(composed) == 1 else None
            reference = only.get("$ref") if isinstance(only, dict) else None
            if not isinstance(reference, str) or reference in seen or not _COMPONENT.fullmatch(reference):
                break
            seen.add(reference)
            found, schema = reference, self.look.target(reference)
        return found if found and self.look.is_object(schema) else None

    def _note_cycle(self, name: str, target: str) -> None:
        self.note(
            ("components", "schemas", name),
            f"the part of {name!r} that refers to {target!r} again has the type Any: check its value in the program",
        )

    # Changing a schema

    def _widen(self, schema: Json, place: Place) -> Json:
        """Return the schema as the generator can express it."""
        if not isinstance(schema, dict):
            return {}  # `true` and `false` are schemas in JSON Schema
        if isinstance(reference := schema.get("$ref"), str):
            return self._reference(reference, place)
        if alias := self._alias(schema):
            # The generator would read the object twice, and report its inline classes as duplicates.
            return {"$ref": self._aliases.get(alias.rpartition("/")[2], alias)}
        widened: JsonObject = {key: value for key, value in schema.items() if key in _READ}
        self._types(widened)
        self._unions(widened, place)
        self._all_of(widened, place)
        self._enum(widened, place)
        self._properties(widened, place)
        self._items(widened, place)
        self._default(widened, place)
        if widened:
            widened[AT] = pointer(*place)
        return widened

    def _reference(self, reference: str, place: Place) -> Json:
        if _COMPONENT.fullmatch(reference):
            return {"$ref": self._aliases.get(reference.rpartition("/")[2], reference)}
        # The generator follows references to whole components only.
        if len(place) > DEPTH:
            return {}
        return self._widen(deepcopy(self.look.target(reference)), place)

    def _types(self, schema: JsonObject) -> None:
        kind = schema.get("type")
        if isinstance(kind, list):
            known: list[Json] = [one for one in kind if one in _TYPES]
            schema["type"] = kind = known[0] if len(known) == 1 else known
        if isinstance(kind, list) and {"object", "array"} & set(map(str, kind)) and not {*UNIONS} & schema.keys():
            # The generator would read such an object twice, and report its inline classes as duplicates.
            prose: JsonObject = {key: schema[key] for key in ("description", "default", "example") if key in schema}
            members: list[Json] = [_of_type(schema, str(one)) for one in kind]
            schema.clear()
            schema |= prose | {"anyOf": members}
        elif kind == [] or (isinstance(kind, str) and kind not in _TYPES):
            del schema["type"]
        if isinstance(constant := schema.get("const"), dict | list | bool | float):
            # The generator supports no composed constants, and writes `!= Trueand` for these.
            schema.setdefault("type", {bool: "boolean", float: "number", list: "array"}.get(type(constant), "object"))
            del schema["const"]

    def _unions(self, schema: JsonObject, place: Place) -> None:
        for key in UNIONS:
            members = schema.get(key)
            if not isinstance(members, list):
                continue
            # `anyOf: [{required: [a]}, {required: [b]}]` says nothing about types.
            if not all(isinstance(member, dict) and _SHAPES & member.keys() for member in members):
                del schema[key]
                self.note(place, f"the types do not say what `{key}` requires")
                continue
            if "properties" in schema:
                members = self._distribute(schema, members)
            schema[key] = [
                # The generated code casts a list of anything to itself, which mypy --strict refuses.
                {} if _is_list_of_anything(widened) else widened
                for widened in (
                    self._widen(member, (*place, key, i)) for i, member in enumerate(self._one_array(members))
                )
            ]
            if "properties" in schema:
                schema.pop("properties")
                schema.pop("required", None)
            schema.pop("type", None)
            schema.pop("allOf", None)

    def _one_array(self, members: list[Json]) -> list[Json]:
        """Make one array of several, because the generated code can distinguish a list from all but another list."""
        arrays = [member for member in members if self.look.kind(member) == "array"]
        if len(arrays) < 2:  # noqa: PLR2004 - there is nothing to join
            return members
        items = [deepcopy(self.look.resolve(array).get("items", {})) for array in arrays]
        joined: JsonObject = {"type": "array", "items": {"anyOf": items}}
        first = members.index(arrays[0])
        return [
            joined if i == first else member for i, member in enumerate(members) if i == first or member not in arrays
        ]

    def _distribute(self, schema: JsonObject, members: list[Json]) -> list[Json]:
        """Give the properties beside a union to each of its members, because the generator reads the union only."""
        shared: JsonObject = {
            "type": "object",
            "properties": schema["properties"],
            "required": schema.get("required", []),
        }
        return [{"allOf": [deepcopy(shared), member]} for member in members]

    def _all_of(self, schema: JsonObject, place: Place) -> None:
        members = schema.get("allOf")
        if not isinstance(members, list):
            return
        members = list(_flat(members))
        objects = [member for member in members if self.look.is_object(member)]
        others = [member for member in members if isinstance(member, dict) and _SHAPES & member.keys()]
        if not objects and not ("properties" in schema or schema.get("type") == "object"):
            # Constraints of one type: the generator takes that type, and a union of a single reference as it is.
            schema.pop("allOf")
            if others:
                first = self._widen(others[0], place)
                if isinstance(first, dict) and "$ref" in first:
                    schema["allOf"] = [first]
                elif isinstance(first, dict):
                    schema.update({key: value for key, value in first.items() if key not in schema})
            return
        if len(objects) < len(others):
            self.note(place, "the types do not say what a part of `allOf` that is no object requires")
        if self._has_conflict(schema, objects):
            objects = [self._flattened(schema, objects)]
            schema.pop("properties", None)
        schema["allOf"] = parts = [self._widen(member, (*place, "allOf", i)) for i, member in enumerate(objects)]
        if len(objects) == 1 and "properties" in schema and "$ref" in json.dumps(objects[0]):
            # A union of a single reference is that reference for the generator, and the properties would be lost.
            own: JsonObject = {"type": "object", "properties": schema.pop("properties")}
            own["required"] = schema.pop("required", [])
            parts.append(self._widen(own, place))

    def _has_conflict(self, schema: JsonObject, members: list[Json]) -> bool:
        seen: dict[str, Json] = {}
        for properties in [self.look.all_properties(member) for member in (*members, schema | {"allOf": []})]:
            for name, value in properties.items():
                if seen.setdefault(name, value) != value:
                    return True
        return False

    def _flattened(self, schema: JsonObject, members: list[Json]) -> JsonObject:
        """Return one object with all properties, of which a later one replaces an earlier one."""
        properties: JsonObject = {}
        required: list[Json] = []
        for member in (*members, {**schema, "allOf": []}):
            properties |= deepcopy(self.look.all_properties(member))
            required += [name for name in self.look.all_required(member) if name not in required]
        return {"type": "object", "properties": properties, "required": required}

    def _enum(self, schema: JsonObject, place: Place) -> None:
        values = schema.get("enum")
        if not isinstance(values, list):
            schema.pop("enum", None)
            return
        values = [value for i, value in enumerate(values) if value not in values[:i] or isinstance(value, bool)]
        kinds = {type(value) for value in values if value is not None}
        if not values or len(kinds) > 1 or not kinds <= {str, int}:
            del schema["enum"]
            if kinds == {bool} and "type" not in schema:
                schema["type"] = "boolean"
            elif len(kinds) > 1 or not kinds <= {bool}:
                self.note(
                    place,
                    "the type does not list the values of this enum, which are not all strings or integers: "
                    "compare them in the program",
                )
            return
        schema["enum"] = values
        if isinstance(schema.get("type"), list):
            schema.pop("type")  # the generator reads the values, null among them
        names = [_member_name(value, i) for i, value in enumerate(v for v in values if v is not None)]
        if "x-enum-varnames" in schema or len(set(names)) < len(names):
            schema["x-enum-varnames"] = [
                name if name not in names[:i] else f"VALUE_{i}" for i, name in enumerate(names)
            ]

    def _properties(self, schema: JsonObject, place: Place) -> None:
        properties = schema.get("properties")
        if isinstance(properties, dict):
            seen: dict[str, str] = {}
            plain = Counter(map(identifier, properties))
            kept: JsonObject = {}
            for name, value in properties.items():
                if seen.setdefault(_attribute(name), name) != name or _is_taken(
                    name, is_alone=plain[identifier(name)] == 1
                ):
                    self.note(
                        (*place, "properties", name),
                        f"the class has no attribute for the property {name!r}, because Python or another property uses"
                        f" its name: read and set it by `additional_properties[{name!r}]`",
                    )
                    schema.pop("additionalProperties", None)
                    continue
                kept[name] = self._widen(value, (*place, "properties", name))
            schema["properties"] = kept
            schema.setdefault("type", "object")
        additional = schema.get("additionalProperties")
        if isinstance(additional, dict):
            schema["additionalProperties"] = self._widen(additional, (*place, "additionalProperties"))

    def _items(self, schema: JsonObject, place: Place) -> None:
        kind = schema.get("type")
        if "items" in schema:
            schema["items"] = self._widen(schema["items"], (*place, "items"))
        elif kind == "array" or (isinstance(kind, list) and "array" in kind):
            schema["items"] = {}
        if isinstance(kind, list) and schema.get("items") == {}:
            del schema["type"]  # as in a union
        if isinstance(prefix := schema.get("prefixItems"), list):
            schema["prefixItems"] = [self._widen(one, (*place, "prefixItems", i)) for i, one in enumerate(prefix)]

    def _default(self, schema: JsonObject, place: Place) -> None:
        if is_corrupted(schema.get("default"), self.look.resolve(schema)):
            del schema["default"]
            advice = "set it in the program, or leave the field out if the API has the same default"
            self.note(place, f"the class lacks this default, whose quotes or line ends it would change: {advice}")
        if "default" in schema and not fits(schema["default"], schema, self.look.resolve):
            del schema["default"]  # the generator refuses the schema otherwise


def _of_type(schema: JsonObject, kind: str) -> JsonObject:
    """Return the part of a schema of several types that concerns one of them."""
    ours = {
        "object": {"properties", "required", "additionalProperties", "allOf"},
        "array": {"items", "prefixItems"},
        "null": set[str](),
    }.get(kind, {"enum", "format"})
    return {"type": kind} | {key: deepcopy(value) for key, value in schema.items() if key in ours}


def _is_list_of_anything(schema: Json) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "array" and schema.get("items") == {}


def _flat(members: list[Json]) -> Iterator[Json]:
    """Yield the members of `allOf`, and those of an inline `allOf` among them, which the generator overlooks."""
    for member in members:
        nested = member.get("allOf") if isinstance(member, dict) else None
        if isinstance(member, dict) and isinstance(nested, list):
            rest: JsonObject = {key: value for key, value in member.items() if key != "allOf"}
            yield from _flat(nested)
            if _SHAPES & rest.keys():
                yield rest
        else:
            yield member


def _member_name(value: Json, index: int) -> str:
    """Return the name of an enum's member, coarser than the generator's: two that it makes equal are equal here."""
    if isinstance(value, int):
        return f"VALUE_NEGATIVE_{-value}" if value < 0 else f"VALUE_{value}"
    text = str(value)
    if not text[:1].isalpha():
        return f"VALUE_{index}"
    return re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_") or f"VALUE_{index}"


def _is_taken(name: str, *, is_alone: bool) -> bool:
    """Return whether the attribute would replace a name that the class needs itself.

    Args:
        name: The name of the property.
        is_alone: Whether the attribute is in lower case, because no other one has the same name then.
    """
    return (identifier(name) if is_alone else PythonIdentifier(name, PREFIX, skip_snake_case=True)) in TAKEN | RESERVED


def _attribute(name: str) -> str:
    """Return what the generator leaves of a property's name if another one has the same attribute name."""
    return "".join(character for character in name if character.isidentifier() or character.isdecimal())
