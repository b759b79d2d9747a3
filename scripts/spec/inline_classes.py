"""Move inline schemas to the components if the generator would need other classes for them too early.

The generator reads the members of a component's union, and the parts of an inline `allOf`, before it knows all classes.
If one is missing it tries again later, and then complains that the classes of the first attempt exist. It has no such
difficulty with components. A moved schema keeps the class name that the generator would have given it.
"""

from collections.abc import Iterator

from spec.documents import Json, JsonObject

_UNIONS = ("anyOf", "oneOf")


def move_inline_classes(schemas: JsonObject) -> None:
    """Replace such schemas inside of components by references to new components.

    Args:
        schemas: The schemas of the components; changed in place.
    """
    for name in list(schemas):
        _visit(schemas, schemas[name], name, in_union=False)


def _visit(schemas: JsonObject, schema: Json, name: str, *, in_union: bool) -> None:
    if not isinstance(schema, dict):
        return
    for owner, key, part, part_name in list(_parts(schema, name)):
        is_member = key != "additionalProperties" and not (isinstance(owner, dict) and owner is schema.get("properties"))
        inside = is_member and (in_union or any(owner is schema.get(union) for union in _UNIONS))
        _visit(schemas, part, part_name, in_union=inside)
        if _is_early(part, in_union=inside):
            moved = part_name
            while moved in schemas:
                moved += "_"
            schemas[moved] = part
            owner[key] = {"$ref": f"#/components/schemas/{moved}"}  # type: ignore[call-overload,index] # key of owner


def _is_early(schema: JsonObject, *, in_union: bool) -> bool:
    members = schema.get("allOf")
    if isinstance(members, list) and len(members) > 1:
        return any(isinstance(member, dict) and "$ref" in member for member in members)
    has_class = schema.get("type") == "object" or "properties" in schema or "allOf" in schema
    return in_union and has_class and not any(union in schema for union in _UNIONS)


def _parts(schema: JsonObject, name: str) -> Iterator[tuple[JsonObject | list[Json], str | int, JsonObject, str]]:
    """Yield the inline schemas directly inside of a schema: what holds them, under which key, and their name."""
    found: list[tuple[JsonObject | list[Json], str | int, str]] = []
    for holder in (schema, *_list(schema, "allOf")):
        properties = holder.get("properties") if isinstance(holder, dict) and "$ref" not in holder else None
        if isinstance(properties, dict):
            found += [(properties, key, f"{name}_{key}") for key in properties]
    count = 0
    for union in _UNIONS:
        members = _list(schema, union)
        found += [(members, index, f"{name}_type_{count + index}") for index in range(len(members))]
        count += len(members)
    found += [(schema, "items", f"{name}_item"), (schema, "additionalProperties", f"{name}_AdditionalProperty")]
    for owner, key, part_name in found:
        part = owner.get(str(key)) if isinstance(owner, dict) else owner[int(key)]
        if isinstance(part, dict) and "$ref" not in part:
            yield owner, key, part, part_name


def _list(schema: JsonObject, key: str) -> list[Json]:
    value = schema.get(key)
    return value if isinstance(value, list) else []
