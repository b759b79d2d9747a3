"""Read an OpenAPI document by its meaning: follow references, and find operations, parameters and joined schemas."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from spec.documents import Json, JsonObject, Place, as_list, as_object, canonical, value_at
from spec.references import place_referred_to, references_in, target
from spec.walk import METHODS


@dataclass(frozen=True)
class Node:
    """A value in a document, and the keys that lead to it."""

    value: Json
    place: Place

    @property
    def object(self) -> JsonObject:
        """The value; an empty object if it is none."""
        return as_object(self.value)

    def get(self, key: str) -> "Node":
        """Return a member; its value is None if there is none."""
        return Node(self.object.get(key), (*self.place, key))

    def text(self, key: str) -> str:
        """Return a member that is text; an empty one if there is none."""
        value = self.object.get(key)
        return value if isinstance(value, str) else ""

    def members(self) -> "dict[str, Node]":
        """Return the members by their keys."""
        return {key: self.get(key) for key in self.object}

    def entries(self) -> "list[Node]":
        """Return the entries of a list; none if it is no list."""
        return [Node(value, (*self.place, index)) for index, value in enumerate(as_list(self.value))]

    def texts(self) -> list[str]:
        """Return the entries of a list that are text."""
        return [entry.value for entry in self.entries() if isinstance(entry.value, str)]

    @property
    def ref(self) -> str:
        """The reference that stands in place of the value, or an empty text."""
        return self.text("$ref")

    @property
    def component(self) -> str:
        """The name of the schema that the value refers to directly; an empty text if it refers to none."""
        return schema_name(self.ref)


@dataclass(frozen=True)
class Operation:
    """An operation of the API.

    Attributes:
        path: Its path.
        method: Its method, in lower case.
        node: What describes it.
        parameters: Its own parameters and those of its path, by location and name, with references followed.
    """

    path: str
    method: str
    node: Node
    parameters: dict[tuple[str, str], Node]

    @property
    def id(self) -> str:
        """Its operationId, or its method and path if it has none."""
        return self.node.text("operationId") or f"{self.method.upper()} {self.path}"

    @property
    def tag(self) -> str:
        """Its first tag, which names the folder of its module."""
        return next(iter(self.node.get("tags").texts()), "default")


@dataclass(frozen=True)
class Property:
    """A property of an object, or of the objects that allOf joins.

    Attributes:
        node: Its schema.
        is_required: Whether the object must have it.
        owner: The component that brings it in by allOf; an empty text if the object has it itself.
    """

    node: Node
    is_required: bool
    owner: str = ""


@dataclass(frozen=True)
class Api:
    """A document with its references followed."""

    document: JsonObject
    _uses: dict[str, set[str]] = field(default_factory=dict, repr=False, compare=False)

    def node(self, *place: str | int) -> Node:
        """Return the value at a place; None if there is none."""
        return Node(value_at(self.document, place), place)

    def follow(self, node: Node) -> Node:
        """Return what a node refers to, by way of any number of references; the node itself if it is no reference.

        A reference to nothing, to another document or in a circle gives a node without a value.
        """
        seen: set[Place] = set()
        while node.ref:
            place = place_referred_to(self.document, node.value)
            if place is None or place in seen:
                return Node(None, node.place)
            seen.add(place)
            node = self.node(*place)
        return node

    @cached_property
    def schemas(self) -> dict[str, Node]:
        """The schemas of the components by name."""
        return self.node("components", "schemas").members()

    @cached_property
    def operations(self) -> list[Operation]:
        """The operations, in the order of the document."""
        return list(self._operations())

    def _operations(self) -> Iterator[Operation]:
        for path, item in self.node("paths").members().items():
            found = self.follow(item)
            for method in METHODS:
                node = found.get(method)
                if isinstance(node.value, dict):
                    entries = found.get("parameters").entries() + node.get("parameters").entries()
                    parameters = map(self.follow, entries)
                    yield Operation(path, method, node, {(it.text("in"), it.text("name")): it for it in parameters})

    def properties(self, node: Node) -> dict[str, Property]:
        """Return the properties of an object by name, those of the objects that it joins by allOf included."""
        found: dict[str, Property] = {}
        required: set[str] = set()
        for part, owner in self._parts(node, "", {node.place}):
            required.update(part.get("required").texts())
            found.update({name: Property(it, False, owner) for name, it in part.get("properties").members().items()})  # noqa: FBT003
        return {name: Property(it.node, name in required, it.owner) for name, it in found.items()}

    def _parts(self, node: Node, owner: str, seen: set[Place]) -> Iterator[tuple[Node, str]]:
        for entry in node.get("allOf").entries():
            part = self.follow(entry)
            if part.place not in seen:
                yield from self._parts(part, owner or entry.component, seen | {part.place})
        yield node, owner

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The operations that use a component, directly or not, by the component's reference."""
        found: dict[str, list[str]] = {}
        for operation in self.operations:
            entries = [operation.node.value, *(it.value for it in operation.parameters.values())]
            places = [it.place for it in operation.parameters.values() if it.place[0] == "components"]
            roots = {ref for entry in entries for _, ref in references_in(entry)}
            name = operation.id
            for ref in self.reachable(roots | {"#/" + "/".join(map(str, place)) for place in places}):
                found.setdefault(ref, []).append(name)
        return found

    def reachable(self, roots: Iterable[str]) -> set[str]:
        """Return references, and those in what they refer to, and so on."""
        found: set[str] = set()
        left = list(roots)
        while left:
            ref = left.pop()
            if ref not in found:
                found.add(ref)
                left += self._references_in(ref)
        return found

    def _references_in(self, ref: str) -> set[str]:
        if ref not in self._uses:
            self._uses[ref] = {it for _, it in references_in(self.follow(Node({"$ref": ref}, ())).value)}
        return self._uses[ref]


def changed_keys(old: Node, new: Node, *, but: Iterable[str] = ()) -> list[str]:
    """Return the keys whose values differ between two objects, in alphabetical order, except some."""
    keys = sorted((old.object.keys() | new.object.keys()).difference(but))
    return [key for key in keys if canonical(old.object.get(key)) != canonical(new.object.get(key))]


def address(url: str) -> str:
    """Return a server's URL without what makes no difference: clients join it with a path by one slash."""
    return url.rstrip("/")


def schema_name(ref: str) -> str:
    """Return the name of the schema that a reference leads to directly; an empty text if it leads to none."""
    match target(ref):
        case ("components", "schemas", str(name)):
            return name
    return ""
