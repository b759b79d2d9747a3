"""The named parts of documents that are merged one by one: components, operations and webhooks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spec.documents import Json, JsonObject, Place, as_list, as_object, canonical, object_at
from spec.merging.rules import OPERATION, WEBHOOKS
from spec.references import component
from spec.walk import METHODS, SECTIONS, Kind, walk, without_prose

# A section and a name in it, such as ("schemas", "Job") or ("operation", "GET /jobs").
Key: TypeAlias = tuple[str, str]
# One definition of a part: the index of its document, and its key.
Id: TypeAlias = tuple[int, Key]
# The path under which an operation was published, by its path and its method.
Moved: TypeAlias = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Part:
    """A named part of a document.

    Attributes:
        index: The document, by its place in the order of the merge.
        key: Its section and its name.
        place: Where it is in the document.
        kind: What it is.
        value: What it says. In an operation, that includes what its path says for all operations.
        text: The same as JSON, without regard to the order of keys.
    """

    index: int
    key: Key
    place: Place
    kind: Kind
    value: Json
    text: str

    @classmethod
    def of(cls, index: int, key: Key, place: Place, kind: Kind, value: Json) -> "Part":
        """Return a part with its text."""
        return cls(index, key, place, kind, value, canonical(value))


def find_parts(documents: Sequence[JsonObject], moved: Sequence[Moved]) -> dict[Key, list[Part]]:
    """Return all parts by their keys, in the order of the documents.

    Args:
        documents: Well-formed documents; see `shapes`.
        moved: The operations of each document that were published under another path, and that path.
    """
    found: dict[Key, list[Part]] = {}
    for index, document in enumerate(documents):
        for part in _parts_of(index, document, moved[index]):
            found.setdefault(part.key, []).append(part)
    return found


def effective(item: JsonObject, method: str, document: JsonObject) -> JsonObject:
    """Return an operation together with what its path says for all operations."""
    operation = item[method]
    if not isinstance(operation, dict):
        raise TypeError(operation)
    shared = {key: item[key] for key in ("summary", "description", "servers") if key in item and key not in operation}
    parameters, common = operation.get("parameters", []), item.get("parameters", [])
    if not isinstance(parameters, list) or not isinstance(common, list) or not common:
        return operation | shared
    own = [_parameter_name(parameter, document) for parameter in parameters]
    inherited = [parameter for parameter in common if _parameter_name(parameter, document) not in own]
    return operation | shared | {"parameters": [*parameters, *inherited]}


def parameter_of(parameter: Json, document: JsonObject) -> JsonObject:
    """Return a parameter, or the component that it refers to, if the document has that."""
    key = component(as_object(parameter).get("$ref"))
    return (object_at(document, "components", *key) if key else {}) or as_object(parameter)


def comparable(part: Part) -> Json:
    """Return what has to be equal in two parts of one name: everything but descriptions."""
    return without_prose(part.value, part.kind)


def mentions(value: Json, kind: Kind) -> Iterator[Key]:
    """Yield the components that a part refers to."""
    for node in walk(value, kind):
        if found := component(node.value.get("$ref")):
            yield found
        if node.kind is Kind.DISCRIMINATOR:
            yield from (key for _, key in mapped_schemas(node.value))
        if node.kind in {Kind.OPERATION, Kind.DOCUMENT}:
            yield from (("securitySchemes", name) for name in required_schemes(node.value))


def mapped_schemas(discriminator: JsonObject) -> Iterator[tuple[str, Key]]:
    """Yield the values of a discriminator and the schemas that they stand for, which may be named without a path."""
    for value, name in object_at(discriminator, "mapping").items():
        if isinstance(name, str):
            yield value, component(name) or ("schemas", name)


def required_schemes(value: JsonObject) -> Iterator[str]:
    """Yield the names of the security schemes that an operation or a document requires."""
    for requirement in as_list(value.get("security")):
        yield from as_object(requirement)


def _parts_of(index: int, document: JsonObject, moved: Moved) -> Iterator[Part]:
    for path, item in object_at(document, "paths").items():
        if isinstance(item, dict) and not path.startswith("x-"):
            for method in item:
                if method in METHODS:
                    key = (OPERATION, f"{method.upper()} {path}")
                    value = effective(item, method, document)
                    place = ("paths", moved.get((path, method), path), method)
                    yield Part.of(index, key, place, Kind.OPERATION, value)
    for name, item in object_at(document, "webhooks").items():
        yield Part.of(index, (WEBHOOKS, name), ("webhooks", name), Kind.PATH_ITEM, item)
    for section, kind in SECTIONS.items():
        for name, part in object_at(document, "components", section).items():
            yield Part.of(index, (section, name), ("components", section, name), kind, part)


def _parameter_name(parameter: Json, document: JsonObject) -> tuple[Json, ...]:
    """Return what identifies a parameter: its name and its location."""
    found = parameter_of(parameter, document)
    return (found.get("name"), found.get("in")) if "name" in found else (found.get("$ref"),)
