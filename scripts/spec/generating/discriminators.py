"""Let the generated code choose the class of a union by its discriminator.

The generator reads no discriminators: its code takes the first class that fits. A class whose discriminating property
has a `const` fits only what it is meant for.
"""

from collections.abc import Callable, Iterator

from spec.documents import Json, JsonObject, Place, as_list, as_object, object_at
from spec.generating.lookup import UNIONS, Lookup
from spec.references import references_in
from spec.walk import Kind, walk

_PREFIX = "#/components/schemas/"


def write_discriminators(document: JsonObject, note: Callable[[Place, str], None]) -> None:
    """Write the value of a discriminator to each class that no other part of the document uses.

    Args:
        document: The document; changed in place.
        note: Called with the place of each union that the generated code can't choose a class of, and a sentence.
    """
    look = Lookup(document)
    unions = [node for node in walk(document) if node.kind is Kind.SCHEMA and _property_of(node.value)]
    values: dict[str, set[tuple[str, str]]] = {}
    uses: dict[str, int] = {}
    for node in unions:
        for reference in _references(node.value):
            uses[reference] = uses.get(reference, 0) + 1
            chosen = values.setdefault(reference, set())
            chosen |= {(_property_of(node.value), value) for value in _values(node.value, reference)}
    everywhere = [reference for _, reference in references_in(document)]
    for node in unions:
        name = _property_of(node.value)
        undecided = _undecided(look, node.value)
        for member in undecided:
            reference = str(as_object(member).get("$ref"))
            is_ours = everywhere.count(reference) == uses.get(reference) and len(values[reference]) == 1
            if not (is_ours and reference.startswith(_PREFIX) and look.is_object(member)):
                advice = f"give {name!r} a `const` in each variant by the overlay, or compare it in the program"
                note(node.place, f"an answer becomes the first class that fits, without a look at {name!r}: {advice}")
                break
        else:
            for member in undecided:
                ((_, value),) = values[str(as_object(member)["$ref"])]
                _write(look.follow(member), name, value, look.all_properties(member).get(name))


def _property_of(schema: JsonObject) -> str:
    """Return the discriminating property of a union of several classes, or nothing."""
    name = object_at(schema, "discriminator").get("propertyName")
    return name if isinstance(name, str) and len(_members(schema)) > 1 else ""


def _members(schema: JsonObject) -> list[Json]:
    found = [member for key in UNIONS for member in as_list(schema.get(key))]
    return [member for member in found if as_object(member).get("type") != "null"]


def _references(union: JsonObject) -> Iterator[str]:
    for member in _members(union):
        if isinstance(reference := as_object(member).get("$ref"), str):
            yield reference


def _values(union: JsonObject, reference: str) -> list[str]:
    """Return the values that stand for a class: those of the mapping, or else the name of the component."""
    name = reference.removeprefix(_PREFIX)
    mapping = object_at(union, "discriminator", "mapping")
    return [value for value, target in mapping.items() if target in {name, reference}] or [name]


def _undecided(look: Lookup, union: JsonObject) -> list[Json]:
    """Return the members that accept the value of another one."""
    members, name = _members(union), _property_of(union)
    allowed = [_allowed(look, member, name) for member in members]
    meant = [
        [*own, *_values(union, str(as_object(member).get("$ref")))]
        for member, own in zip(members, allowed, strict=True)
    ]
    others = [[value for values in meant[:i] + meant[i + 1 :] for value in values] for i in range(len(members))]
    return [
        member
        for member, own, foreign in zip(members, allowed, others, strict=True)
        if not own or any(value in foreign for value in own)
    ]


def _allowed(look: Lookup, member: Json, name: str) -> list[Json]:
    """Return the values that a class accepts for the property; none if it accepts all."""
    described = look.resolve(look.all_properties(member).get(name))
    return [described["const"]] if "const" in described else as_list(described.get("enum"))


def _write(schema: JsonObject, name: str, value: str, described: Json) -> None:
    constant: JsonObject = {"const": value}
    if isinstance(description := as_object(described).get("description"), str):
        constant["description"] = description
    if isinstance(parts := schema.get("allOf"), list):
        parts.append({"type": "object", "properties": {name: constant}})
    else:
        schema.setdefault("properties", {})
        object_at(schema, "properties")[name] = constant
