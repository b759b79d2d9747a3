"""Move inline schemas to the components if the generator would need other classes for them too early.

The generator reads the members of a component's union, and the parts of an inline `allOf`, before it has all classes.
If one is missing it tries again later, and then reports the classes of the first attempt as duplicates. It has no such
difficulty with components. A moved schema keeps the class name that the generator would have given it.
"""

from collections.abc import Callable, Iterator

from spec.documents import Json, JsonObject, as_list

_UNIONS = ("anyOf", "oneOf")


def move_inline_classes(schemas: JsonObject) -> None:
    """Replace such schemas inside of components by references to new components.

    Args:
        schemas: The schemas of the components; changed in place.
    """
    for name, schema in list(schemas.items()):
        if isinstance(schema, dict):
            _visit(schemas, schema, name, in_union=False)


def _visit(schemas: JsonObject, schema: JsonObject, name: str, *, in_union: bool) -> None:
    for part, part_name, replace, is_member in list(_parts(schema, name)):
        inside = is_member or (in_union and part_name == f"{name}_item")
        _visit(schemas, part, part_name, in_union=inside)
        if _is_early(part, in_union=inside):
            moved = part_name
            while moved in schemas:
                moved += "_"
            schemas[moved] = part
            replace({"$ref": f"#/components/schemas/{moved}"})


def _is_early(schema: JsonObject, *, in_union: bool) -> bool:
    members = schema.get("allOf")
    if isinstance(members, list) and len(members) > 1:
        return any(isinstance(member, dict) and "$ref" in member for member in members)
    has_class = schema.get("type") == "object" or "properties" in schema or "allOf" in schema
    return in_union and has_class and not any(union in schema for union in _UNIONS)


def _parts(schema: JsonObject, name: str) -> Iterator[tuple[JsonObject, str, Callable[[Json], None], bool]]:
    """Yield the inline schemas directly inside of a schema.

    Yields:
        Each with the name that it has for the generator, a function that replaces it, and whether it is the member of a
        union.
    """
    for holder in (schema, *as_list(schema.get("allOf"))):
        properties = holder.get("properties") if isinstance(holder, dict) and "$ref" not in holder else None
        if isinstance(properties, dict):
            yield from _values(properties, {key: f"{name}_{key}" for key in properties})
    count = 0
    for union in _UNIONS:
        members = as_list(schema.get(union))
        for index, member in enumerate(members):
            if isinstance(member, dict) and "$ref" not in member:
                yield member, f"{name}_type_{count + index}", _setter(members, index), True
        count += len(members)
    yield from _values(schema, {"items": f"{name}_item", "additionalProperties": f"{name}_AdditionalProperty"})


def _values(owner: JsonObject, names: dict[str, str]) -> Iterator[tuple[JsonObject, str, Callable[[Json], None], bool]]:
    for key, name in names.items():
        value = owner.get(key)
        if isinstance(value, dict) and "$ref" not in value:
            yield value, name, lambda new, key=key: owner.update({key: new}), False  # type: ignore[misc] # mypy can't infer the default


def _setter(members: list[Json], index: int) -> Callable[[Json], None]:
    return lambda value: members.__setitem__(index, value)
