"""Walk through an OpenAPI document by meaning: what is a schema, what is a map of names, and what is only data.

`description` is prose in a schema, but a name in `properties`, and data in `example`. A search for keys confuses them;
this table of the specification does not.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from spec.documents import Json, JsonObject, Place

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Kind(Enum):
    """What an object of an OpenAPI document is."""

    DOCUMENT = auto()
    INFO = auto()
    TAG = auto()
    SERVER = auto()
    VARIABLE = auto()
    DOCS = auto()
    COMPONENTS = auto()
    PATHS = auto()
    PATH_ITEM = auto()
    OPERATION = auto()
    CALLBACK = auto()
    PARAMETER = auto()
    BODY = auto()
    RESPONSES = auto()
    RESPONSE = auto()
    HEADER = auto()
    MEDIA_TYPE = auto()
    ENCODING = auto()
    EXAMPLE = auto()
    LINK = auto()
    SECURITY_SCHEME = auto()
    SCHEMA = auto()
    DISCRIMINATOR = auto()


class _Shape(Enum):
    ONE = auto()
    LIST = auto()
    MAP = auto()


class Node(NamedTuple):
    """An object of an OpenAPI document, or a reference in its place."""

    kind: Kind
    place: Place
    value: JsonObject


SECTIONS = {
    "schemas": Kind.SCHEMA,
    "responses": Kind.RESPONSE,
    "parameters": Kind.PARAMETER,
    "examples": Kind.EXAMPLE,
    "requestBodies": Kind.BODY,
    "headers": Kind.HEADER,
    "securitySchemes": Kind.SECURITY_SCHEME,
    "links": Kind.LINK,
    "callbacks": Kind.CALLBACK,
    "pathItems": Kind.PATH_ITEM,
}

_Fields: TypeAlias = dict[str, tuple[_Shape, Kind]]
_CONTENT: _Fields = {"content": (_Shape.MAP, Kind.MEDIA_TYPE)}
_EXAMPLES: _Fields = {"examples": (_Shape.MAP, Kind.EXAMPLE)}
_DOCS: _Fields = {"externalDocs": (_Shape.ONE, Kind.DOCS)}
_SERVERS: _Fields = {"servers": (_Shape.LIST, Kind.SERVER)}
_PARAMETERS: _Fields = {"parameters": (_Shape.LIST, Kind.PARAMETER)}
_VALUE: _Fields = {"schema": (_Shape.ONE, Kind.SCHEMA), **_CONTENT, **_EXAMPLES}
_ONE_SCHEMA = (
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)

_FIELDS: dict[Kind, _Fields] = {
    Kind.DOCUMENT: {
        "info": (_Shape.ONE, Kind.INFO),
        "paths": (_Shape.ONE, Kind.PATHS),
        "webhooks": (_Shape.MAP, Kind.PATH_ITEM),
        "components": (_Shape.ONE, Kind.COMPONENTS),
        "tags": (_Shape.LIST, Kind.TAG),
        **_SERVERS,
        **_DOCS,
    },
    Kind.TAG: _DOCS,
    Kind.SERVER: {"variables": (_Shape.MAP, Kind.VARIABLE)},
    Kind.COMPONENTS: {section: (_Shape.MAP, kind) for section, kind in SECTIONS.items()},
    Kind.PATH_ITEM: dict.fromkeys(METHODS, (_Shape.ONE, Kind.OPERATION)) | _PARAMETERS | _SERVERS,
    Kind.OPERATION: {
        "requestBody": (_Shape.ONE, Kind.BODY),
        "responses": (_Shape.ONE, Kind.RESPONSES),
        "callbacks": (_Shape.MAP, Kind.CALLBACK),
        **_PARAMETERS,
        **_SERVERS,
        **_DOCS,
    },
    Kind.PARAMETER: _VALUE,
    Kind.HEADER: _VALUE,
    Kind.BODY: _CONTENT,
    Kind.RESPONSE: {"headers": (_Shape.MAP, Kind.HEADER), "links": (_Shape.MAP, Kind.LINK), **_CONTENT},
    Kind.MEDIA_TYPE: {"schema": (_Shape.ONE, Kind.SCHEMA), "encoding": (_Shape.MAP, Kind.ENCODING), **_EXAMPLES},
    Kind.ENCODING: {"headers": (_Shape.MAP, Kind.HEADER)},
    Kind.LINK: {"server": (_Shape.ONE, Kind.SERVER)},
    Kind.SCHEMA: {
        **dict.fromkeys(_ONE_SCHEMA, (_Shape.ONE, Kind.SCHEMA)),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), (_Shape.LIST, Kind.SCHEMA)),
        **dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "$defs"), (_Shape.MAP, Kind.SCHEMA)),
        "discriminator": (_Shape.ONE, Kind.DISCRIMINATOR),
        **_DOCS,
    },
}
# Objects whose keys are patterns: every value but that of an extension is of this kind.
_EVERY = {Kind.PATHS: Kind.PATH_ITEM, Kind.CALLBACK: Kind.PATH_ITEM, Kind.RESPONSES: Kind.RESPONSE}


def walk(value: Json, kind: Kind = Kind.DOCUMENT, place: Place = ()) -> Iterator[Node]:
    """Visit all objects of a document that OpenAPI gives a meaning, each before those in it, in the order of the text.

    What is malformed is left out, with all that is in it.

    Args:
        value: A document, or a part of one.
        kind: What it is.
        place: Where it is, if it is a part.
    """
    stack = [Node(kind, place, value)] if isinstance(value, dict) else []
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed([*_children(node)]))


def rewrite(value: Json, change: Callable[[Kind, JsonObject], Json], kind: Kind = Kind.DOCUMENT) -> Json:
    """Return a copy of a document in which each object is replaced, those in an object before the object itself.

    Data, such as examples, is shared with the original.

    Args:
        value: A document, or a part of one; it is not modified.
        change: Gets a kind, and an object of that kind that it may modify; returns what takes its place.
        kind: What the value is.
    """
    if not isinstance(value, dict):
        return value
    result = dict(value)
    for key, inner in value.items():
        found = _field(kind, key)
        if found is None:
            continue
        shape, inner_kind = found
        if shape is _Shape.ONE:
            result[key] = rewrite(inner, change, inner_kind)
        elif shape is _Shape.MAP and isinstance(inner, dict):
            result[key] = {name: rewrite(member, change, inner_kind) for name, member in inner.items()}
        elif shape is _Shape.LIST and isinstance(inner, list):
            result[key] = [rewrite(entry, change, inner_kind) for entry in inner]
    return change(kind, result)


def without_prose(value: Json, kind: Kind) -> Json:
    """Return a copy of a part of a document without what people alone read: descriptions and summaries."""

    def strip(kind: Kind, value: JsonObject) -> JsonObject:
        value.pop("description", None)
        if kind is not Kind.SCHEMA:
            value.pop("summary", None)
        return value

    return rewrite(value, strip, kind)


def _children(node: Node) -> Iterator[Node]:
    for key, inner in node.value.items():
        found = _field(node.kind, key)
        if found is None:
            continue
        shape, kind = found
        members: Iterable[tuple[Place, Json]] = ()
        if shape is _Shape.ONE:
            members = [((), inner)]
        elif shape is _Shape.MAP and isinstance(inner, dict):
            members = [((name,), member) for name, member in inner.items()]
        elif shape is _Shape.LIST and isinstance(inner, list):
            members = [((index,), entry) for index, entry in enumerate(inner)]
        for end, member in members:
            if isinstance(member, dict):
                yield Node(kind, (*node.place, key, *end), member)


def _field(kind: Kind, key: str) -> tuple[_Shape, Kind] | None:
    """Return what is in a field of an object, if that has a meaning."""
    if kind in _EVERY:
        return None if key.startswith("x-") else (_Shape.ONE, _EVERY[kind])
    return _FIELDS.get(kind, {}).get(key)
