"""The order in which the generator has to read the schemas of the components.

The generator reads arrays and unions at once, and objects once all classes are known. It cannot read an array or a
union before what that refers to, and never reads one that refers to itself.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from spec.documents import Json, JsonObject

_PREFIX = "#/components/schemas/"


class _Reference(NamedTuple):
    """A reference that the generator follows at once, and a function that replaces it."""

    target: str
    replace: Callable[[Json], None]


def in_reading_order(schemas: JsonObject, note: Callable[[str, str], None]) -> list[str]:
    """Return the names of schemas, those that others need first, and break cycles.

    Args:
        schemas: The schemas of the components. A reference that closes a cycle is replaced by a schema that allows
            anything.
        note: Called with the names of a schema that was changed, and of what it referred to.
    """
    done: dict[str, None] = {}

    def visit(name: str, stack: tuple[str, ...]) -> None:
        if name in done or name not in schemas:
            return
        stack = (*stack, name)
        for reference in list(_followed_at_once(schemas[name])):
            if reference.target in stack:
                reference.replace({})
                note(name, reference.target)
            else:
                visit(reference.target, stack)
        done[name] = None

    for name in list(schemas):
        visit(name, ())
    return list(done)


def _followed_at_once(schema: Json, *, in_union: bool = False) -> Iterator[_Reference]:
    if not isinstance(schema, dict):
        return
    is_object = schema.get("type") == "object" or "properties" in schema
    if in_union or not is_object:
        for key in ("items", "additionalProperties"):
            yield from _member(schema, key, in_union=in_union)
    for key in ("anyOf", "oneOf", "prefixItems", "allOf"):
        members = schema.get(key)
        if isinstance(members, list) and (key != "allOf" or len(members) == 1):
            for index in range(len(members)):
                yield from _element(members, index, in_union=in_union or key in {"anyOf", "oneOf"})
    properties = schema.get("properties")
    if in_union and isinstance(properties, dict):
        for name in properties:
            yield from _member(properties, name, in_union=True)


def _member(owner: JsonObject, key: str, *, in_union: bool) -> Iterator[_Reference]:
    return _reference(owner.get(key), lambda value: owner.update({key: value}), in_union=in_union)


def _element(owner: list[Json], index: int, *, in_union: bool) -> Iterator[_Reference]:
    return _reference(owner[index], lambda value: owner.__setitem__(index, value), in_union=in_union)


def _reference(value: Json, replace: Callable[[Json], None], *, in_union: bool) -> Iterator[_Reference]:
    target = value.get("$ref") if isinstance(value, dict) else None
    if isinstance(target, str):
        if target.startswith(_PREFIX):
            yield _Reference(target.removeprefix(_PREFIX), replace)
    else:
        yield from _followed_at_once(value, in_union=in_union)
