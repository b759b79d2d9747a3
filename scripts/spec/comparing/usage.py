"""Where components are used: in requests, in responses, and whether an enum is open there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from spec.comparing.api import Api, Node, Operation, schema_name
from spec.comparing.change import Direction
from spec.documents import Json, JsonObject, as_list

_VARIANTS = ("anyOf", "oneOf")


@dataclass
class Usage:
    """How a component is used: in requests, in responses, and in responses without any other string beside it."""

    in_requests: bool = False
    in_responses: bool = False
    is_closed: bool = False

    @property
    def direction(self) -> Direction:
        """The direction in words; both if nothing uses the component."""
        if self.in_requests == self.in_responses:
            return "both"
        return "request" if self.in_requests else "response"


@dataclass
class Usages:
    """The use of each component of a document."""

    api: Api
    found: dict[str, Usage] = field(default_factory=dict)
    _edges: dict[str, set[tuple[str, bool]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for operation in self.api.operations:
            for node in _requests(self.api, operation):
                self._visit(node, is_response=False)
            for node in _responses(self.api, operation):
                self._visit(node, is_response=True)

    def of(self, component: str) -> Usage:
        """Return how a component is used."""
        return self.found.get(component, Usage())

    def _visit(self, node: Node, *, is_response: bool) -> None:
        left = [*_references(node.value)]
        while left:
            component, is_open = left.pop()
            usage = self.found.setdefault(component, Usage())
            is_known = usage.in_responses if is_response else usage.in_requests
            usage.in_requests |= not is_response
            usage.in_responses |= is_response
            usage.is_closed |= is_response and not is_open
            if not is_known:
                left += self._references_of(component)

    def _references_of(self, component: str) -> set[tuple[str, bool]]:
        if component not in self._edges:
            node = self.api.schemas.get(component)
            self._edges[component] = set(_references(node.value)) if node else set()
        return self._edges[component]


def is_open(schema: JsonObject) -> bool:
    """Return whether a schema allows any string beside the values of an enum."""
    variants = [entry for key in _VARIANTS for entry in as_list(schema.get(key))]
    return any(isinstance(it, dict) and it.get("type") == "string" and not it.keys() & {"enum", "const", "format"}
               for it in variants)  # fmt: skip


def _requests(api: Api, operation: Operation) -> Iterator[Node]:
    yield from operation.parameters.values()
    yield api.follow(operation.node.get("requestBody"))


def _responses(api: Api, operation: Operation) -> Iterator[Node]:
    yield from map(api.follow, operation.node.get("responses").members().values())


def _references(value: Json, *, is_open_here: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the schemas that a value refers to, and whether the place is open to any other string."""
    if isinstance(value, list):
        for entry in value:
            yield from _references(entry, is_open_here=is_open_here)
    if not isinstance(value, dict):
        return
    if isinstance(ref := value.get("$ref"), str) and (name := schema_name(ref)):
        yield name, is_open_here
    for key, member in value.items():
        yield from _references(member, is_open_here=key in _VARIANTS and is_open(value))
