"""The Python types that the generator makes of schemas, as sets of the members of a union.

A class is named after the component, or else by the place of its schema, so that two documents can be compared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from spec.comparing.api import Api, Node, Operation
from spec.comparing.contents import chosen_content, reading
from spec.documents import JsonObject, as_list
from spec.python_names import class_name

Types: TypeAlias = frozenset[str]

ANY: Types = frozenset({"Any"})
_FORMATS = {"date": "datetime.date", "date-time": "datetime.datetime", "uuid": "UUID", "binary": "File"}
_PLAIN = {"number": "float", "integer": "int", "boolean": "bool", "null": "None"}
_DEPTH = 20


def class_in(parent: str, name: str) -> str:
    """Return the name of a class that belongs to an operation or to another class, if there is such a parent."""
    return (class_name(parent) if parent else "") + class_name(name)


@dataclass(frozen=True)
class Reader:
    """Finds the types of a document's schemas.

    Attributes:
        api: The document.
        names: Under which name a component that was renamed is to be compared.
    """

    api: Api
    names: Mapping[str, str]

    def types(self, node: Node, name: str, parent: str = "", depth: int = 0) -> Types:
        """Return the types of a schema.

        Args:
            node: The schema, or a reference to it.
            name: What a class of its own is called.
            parent: What its name begins with.
            depth: How many schemas contain this one; aliases of themselves end there.
        """
        if depth > _DEPTH or not isinstance(node.value, dict):
            return ANY
        if component := node.component:
            target, name = self.api.follow(node), self.names.get(component, component)
            return frozenset({name}) if self.makes_class(target) else self.types(target, name, depth=depth + 1)
        if following := self.api.follow(node) if node.ref else _single_reference(node):
            return self.types(following, name, parent, depth + 1)
        node = _without_mixed_values(node)
        if (plain := self._plain(node)) is not None:
            return plain
        return self._composed(node, name, parent, depth)

    def component(self, node: Node) -> str:
        """Return the name of the component that a schema stands for, or an empty text."""
        single = node if node.ref else _single_reference(node)
        name = single.component if single else ""
        return self.names.get(name, name)

    def _plain(self, node: Node) -> Types | None:
        """Return the type of a schema without parts; None if it has some."""
        schema, kind = node.object, node.object.get("type")
        if kind == "boolean":
            return frozenset({"bool"})
        if schema.keys() & {"enum", "anyOf", "oneOf", "allOf"} or isinstance(kind, list) or kind in ("array", "object"):
            return None
        if schema.get("const") is not None:
            return frozenset({f"Literal[{schema['const']!r}]"})
        if kind == "string":
            return frozenset({_FORMATS.get(node.text("format"), "str")})
        if kind is None and schema.get("properties"):
            return None
        return frozenset({_PLAIN[kind]}) if isinstance(kind, str) and kind in _PLAIN else ANY

    def _composed(self, node: Node, name: str, parent: str, depth: int) -> Types:
        """Return the types of an enum, a union, a list or an object."""
        schema, kind, values = node.object, node.object.get("type"), node.object.get("enum")
        own = frozenset({class_in(parent, name)})
        if isinstance(values, list) and values:
            return (own if values != [None] else frozenset()) | ({"None"} if None in values else set())
        variants = variants_of(node)
        if variants or isinstance(kind, list):
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            variants += [Node({**rest, "type": it}, node.place) for it in kind] if isinstance(kind, list) else []
            found = (self.types(it, f"{name} type {index}", parent, depth + 1) for index, it in enumerate(variants))
            return frozenset[str]().union(*found)
        if kind == "array":
            return frozenset({f"list[{shown(self.types(node.get('items'), f'{name} item', parent, depth + 1))}]"})
        return own

    def makes_class(self, node: Node) -> bool:
        """Return whether a component becomes a class of its own; others are aliases."""
        if node.ref or _single_reference(node) or "anyOf" in node.object or "oneOf" in node.object:
            return False
        node = _without_mixed_values(node)
        kind = node.object.get("type")
        if kind == "boolean" or isinstance(kind, list):
            return False
        return bool(node.object.get("enum") or kind == "object" or "allOf" in node.object
                    or (kind is None and node.object.get("properties")))  # fmt: skip

    def is_enum(self, component: str) -> bool:
        """Return whether a component is a class of values."""
        node = self.api.schemas.get(component)
        return bool(node and node.object.get("enum") and self.makes_class(node))

    def returned(self, operation: Operation) -> dict[str, Types]:
        """Return the types that an operation returns, by the status of the response."""
        responses = operation.node.get("responses").members()
        return {
            status: self.types_of_response(self.api.follow(it), status, operation.id)
            for status, it in responses.items()
        }

    def types_of_response(self, response: Node, status: str, operation: str) -> Types:
        """Return the types that an operation returns for a status."""
        return self.types_of_content(chosen_content(response), f"response {status}", operation)

    def types_of_content(self, chosen: Node | None, name: str, parent: str) -> Types:
        """Return the types that an operation returns for the content that it reads; any if there is none."""
        match reading(self.api, chosen):
            case "text":
                return frozenset({"str"})
            case "bytes":
                return frozenset({"File"})
        return self.types(chosen.get("schema"), name, parent) if chosen else ANY


def _single_reference(node: Node) -> Node | None:
    """Return the only entry of allOf, anyOf and oneOf if it is a reference: the generator takes it for the schema."""
    entries = node.get("allOf").entries() + variants_of(node)
    return entries[0] if len(entries) == 1 and entries[0].ref else None


def _without_mixed_values(node: Node) -> Node:
    """Return a schema without an enum of which the generator makes no class: one not all of strings or integers."""
    kinds = {type(value) for value in as_list(node.object.get("enum")) if value is not None}
    if kinds in (set(), {str}, {int}):
        return node
    rest: JsonObject = {"type": "boolean"} if kinds == {bool} else {}
    return Node(rest | {key: value for key, value in node.object.items() if key != "enum"}, node.place)


def variants_of(node: Node) -> list[Node]:
    """Return the entries of anyOf and oneOf."""
    return node.get("anyOf").entries() + node.get("oneOf").entries()


def shown(types: Types) -> str:
    """Return types as an annotation."""
    return " | ".join(sorted(types))


def accepts(old: Iterable[str], new: Types, enums: Iterable[str]) -> bool:
    """Return whether a parameter of the new types accepts every value of the old ones.

    An int is accepted as a float, and a member of an enum of text as a str.
    """
    wider = {"int": "float"} | dict.fromkeys(enums, "str")
    return "Any" in new or all(it in new or wider.get(it) in new for it in old)


def sending(content_type: str) -> str:
    """Return how generated code sends a body of a content type."""
    kinds = {"application/x-www-form-urlencoded": "data", "multipart/form-data": "files"}
    return kinds.get(content_type, "content" if content_type == "application/octet-stream" else "json")


def body_parent(operation: str, content_type: str, count: int) -> str:
    """Return what the name of a body's class begins with; the content type is a part of it if there are several."""
    return f"{operation}_{sending(content_type)}" if count > 1 else operation
