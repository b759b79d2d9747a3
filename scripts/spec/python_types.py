"""The Python types that the generator makes of schemas, as sets of the members of a union.

A class is named after the component, or else by the place of its schema, so that two documents can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from openapi_python_client.strings import ClassName, PythonIdentifier

from spec.api import Api, Node, Operation
from spec.documents import JsonObject

Types: TypeAlias = frozenset[str]

ANY: Types = frozenset({"Any"})
_PREFIX = "field_"  # what the generator puts before a name that is no identifier
_FORMATS = {"date": "datetime.date", "date-time": "datetime.datetime", "uuid": "UUID", "binary": "File"}
_PLAIN = {"number": "float", "integer": "int", "boolean": "bool", "null": "None"}
_DEPTH = 20


def identifier(name: str) -> str:
    """Return the Python name of an operation, a parameter, a field or a tag."""
    return str(PythonIdentifier(name, _PREFIX))


def class_name(name: str) -> str:
    """Return the name of a class."""
    return str(ClassName(name, _PREFIX))


@dataclass(frozen=True)
class Reader:
    """Finds the types of a document's schemas.

    Attributes:
        api: The document.
        names: Under which name a component that was renamed is to be compared.
    """

    api: Api
    names: Mapping[str, str]

    def types(self, node: Node, name: str, depth: int = 0) -> Types:
        """Return the types of a schema.

        Args:
            node: The schema, or a reference to it.
            name: What a class of its own would be called.
            depth: How many schemas contain this one; aliases of themselves end there.
        """
        if depth > _DEPTH or not isinstance(node.value, dict):
            return ANY
        if component := self.api.component(node):
            target = self.api.follow(node)
            if self.makes_class(target):
                return frozenset({self.names.get(component, component)})
            return self.types(target, self.names.get(component, component), depth + 1)
        if node.ref:
            return self.types(self.api.follow(node), name, depth + 1)
        if single := _single_reference(node):
            return self.types(single, name, depth + 1)
        return self._own_types(node.object, node, node.text("title") or name, depth)

    def _own_types(self, schema: JsonObject, node: Node, name: str, depth: int) -> Types:
        kind, values = schema.get("type"), schema.get("enum")
        if kind == "boolean":
            return frozenset({"bool"})
        if isinstance(values, list) and values:
            nothing = {"None"} if None in values else set()
            return frozenset({name, *nothing}) if values != [None] else frozenset({"None"})
        variants = node.get("anyOf").entries() + node.get("oneOf").entries()
        if variants or isinstance(kind, list):
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            variants += [Node({**rest, "type": it}, node.place) for it in kind] if isinstance(kind, list) else []
            found = (self.types(it, f"{name}{index}", depth + 1) for index, it in enumerate(variants))
            return frozenset[str]().union(*found)
        if schema.get("const") is not None:
            return frozenset({f"Literal[{schema['const']!r}]"})
        if kind == "string":
            return frozenset({_FORMATS.get(node.text("format"), "str")})
        if kind == "array":
            return frozenset({f"list[{shown(self.types(node.get('items'), f'{name}Item', depth + 1))}]"})
        if kind == "object" or "allOf" in schema or (kind is None and schema.get("properties")):
            return frozenset({name})
        return frozenset({_PLAIN[kind]}) if isinstance(kind, str) and kind in _PLAIN else ANY

    def makes_class(self, node: Node) -> bool:
        """Say whether a component becomes a class of its own; others are aliases."""
        if node.ref or _single_reference(node) or "anyOf" in node.object or "oneOf" in node.object:
            return False
        kind = node.object.get("type")
        if kind == "boolean" or isinstance(kind, list):
            return False
        return bool(node.object.get("enum") or kind == "object" or "allOf" in node.object
                    or (kind is None and node.object.get("properties")))  # fmt: skip

    def is_enum(self, component: str) -> bool:
        """Say whether a component is a class of values."""
        node = self.api.schemas.get(component)
        return bool(node and node.object.get("enum") and self.makes_class(node))

    def returned(self, operation: Operation) -> dict[str, Types]:
        """Return the types that an operation returns, by the status of the response."""
        responses = operation.node.get("responses").members()
        return {status: self.types_of_response(self.api.follow(it), status) for status, it in responses.items()}

    def types_of_response(self, response: Node, status: str) -> Types:
        """Return the types of a response."""
        chosen = chosen_content(response)
        if chosen is None or chosen.get("schema").value is None:
            return ANY
        return self.types(chosen.get("schema"), f"Response{status}")

    def types_of_body(self, body: Node) -> Types:
        """Return the types of a request's body."""
        contents = body.get("content").members()
        found = [self.types(it.get("schema"), body_name(kind, len(contents))) for kind, it in contents.items()]
        return frozenset[str]().union(*found)


def body_name(content_type: str, count: int) -> str:
    """Return the name of a body's class, which has the content type in it if there are several."""
    return f"{content_type} Body" if count > 1 else "Body"


def chosen_content(response: Node) -> Node | None:
    """Return the first content of a response that generated code can read; None if there is none."""
    return next((media for media in response.get("content").members().values() if reading(media)), None)


def reading(media: Node | None) -> str:
    """Return how generated code reads a content: as json, text or bytes; an empty text if it can't, or is None."""
    kind = str(media.place[-1]).partition(";")[0].strip().lower() if media else ""
    if kind == "application/json" or kind.endswith("+json"):
        return "json"
    return "text" if kind.startswith("text/") else "bytes" if kind == "application/octet-stream" else ""


def _single_reference(node: Node) -> Node | None:
    """Return the only entry of allOf, anyOf and oneOf if it is a reference: the generator takes it for the schema."""
    entries = [entry for key in ("allOf", "anyOf", "oneOf") for entry in node.get(key).entries()]
    return entries[0] if len(entries) == 1 and entries[0].ref else None


def shown(types: Types) -> str:
    """Return types as an annotation."""
    return " | ".join(sorted(types))
