"""Follow the `$ref`s of an OpenAPI document, and find those that lead nowhere, elsewhere, or in a circle."""

import difflib
import re
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias
from urllib.parse import unquote

from spec.documents import Json, JsonObject, Place, Problem, as_list, object_at, place_of, tokens_of, value_at
from spec.walk import SECTIONS, Kind, Node, walk

# Where a place of a merged document was published: the file and the line.
Locate: TypeAlias = Callable[[Place], tuple[str, int | None]]

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_BAD_ESCAPE = re.compile(r"~(?![01])|%(?![0-9A-Fa-f]{2})")
_SECTION_OF = {kind: section for section, kind in SECTIONS.items()}


def target(ref: Json) -> tuple[str, ...] | None:
    """Return the keys that a reference leads to in its own document; None if it is no JSON Pointer in this document."""
    return tuple(tokens_of(unquote(ref[1:]))) if isinstance(ref, str) and ref.startswith("#/") else None


def place_referred_to(document: JsonObject, value: Json) -> Place | None:
    """Return the place to which a value refers, whether there is something or not; None if it is no local reference."""
    tokens = target(value.get("$ref")) if isinstance(value, dict) else None
    return None if tokens is None else place_of(document, tokens)


def references_in(value: Json, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield all references in a value, each with the place of the object that it stands for."""
    if isinstance(value, dict):
        if isinstance(ref := value.get("$ref"), str):
            yield place, ref
        for key, member in value.items():
            yield from references_in(member, (*place, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from references_in(entry, (*place, index))


def component(ref: Json) -> tuple[str, str] | None:
    """Return the section and the name of the component that a reference leads to, or into; None if it does not."""
    tokens = target(ref)
    return (tokens[1], tokens[2]) if tokens and len(tokens) > 2 and tokens[0] == "components" else None  # noqa: PLR2004


def reference_problems(document: JsonObject, locate: Locate) -> list[Problem]:
    """Find every `$ref` that leads to nothing or elsewhere, or in a circle, in the order of the document.

    Args:
        document: An OpenAPI document.
        locate: Gives the file and line of a place in it.
    """
    references = [node for node in walk(document) if "$ref" in node.value]
    problems = [
        Problem(*locate((*node.place, "$ref")), reason, advice)
        for node in references
        for reason, advice in _faults(document, node)
    ]
    return problems + [_cycle_problem(cycle, locate) for cycle in _cycles(document)]


def _faults(document: JsonObject, node: Node) -> Iterator[tuple[str, str]]:
    ref = node.value["$ref"]
    if node.kind not in _SECTION_OF:
        yield f"a `$ref` is not allowed here: {ref!r}", "only parts that can be components may be references"
        return
    expected = f"#/components/{_SECTION_OF[node.kind]}/NAME"
    if not isinstance(ref, str) or _BAD_ESCAPE.search(ref):
        yield f"malformed reference {ref!r}", f"a reference looks like {expected}"
        return
    tokens = target(ref)
    if tokens is None:
        if ref.startswith("#"):
            yield f"malformed reference {ref!r}", f"a reference looks like {expected}"
        else:
            yield f"remote reference {ref!r}", "import the document that it leads to, and write the reference to here"
        return
    if not _exists(document, tokens):
        yield f"{ref} leads to nothing", _advice_for_missing(document, tokens)
    elif tokens[0] == "components" and len(tokens) == 3:  # noqa: PLR2004 - a component, not a part of one
        if tokens[1] != _SECTION_OF[node.kind]:
            yield f"{ref} leads to one of the {tokens[1]}", f"a reference looks like {expected} here"
        elif not _NAME.fullmatch(tokens[2]):
            yield f"malformed reference {ref!r}", "a component's name consists of letters, digits, `.`, `_` and `-`"


def _exists(document: JsonObject, tokens: tuple[str, ...]) -> bool:
    *parents, last = place_of(document, tokens)
    parent = value_at(document, tuple(parents))
    return last in parent if isinstance(parent, dict) else isinstance(last, int) and last < len(as_list(parent))


def _advice_for_missing(document: JsonObject, tokens: tuple[str, ...]) -> str:
    advice = "import the page that defines it in the same command"
    near = difflib.get_close_matches(tokens[-1], object_at(document, *tokens[:-1]), n=3)
    return f"{advice}; near names: {', '.join(near)}" if near else advice


def _cycles(document: JsonObject) -> Iterator[list[Place]]:
    """Find circles that pass through `$ref` and `allOf` alone, so that a part would have to contain itself.

    A schema that refers to itself in a property, an item or a union describes nested values, which is right.
    """
    graph: dict[Place, list[Place]] = {
        ("components", section, name): [*dict.fromkeys(_contained(value, kind))]
        for section, kind in SECTIONS.items()
        for name, value in object_at(document, "components", section).items()
    }
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # Each node of the circle is followed by one that refers to it.
            cycle: list[Place] = error.args[1][::-1]
            graph[cycle[0]].remove(cycle[1])
            yield cycle
        else:
            return


def _contained(value: Json, kind: Kind) -> Iterator[Place]:
    """Yield the components that a component contains as a whole."""
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if found := component(part.get("$ref")):
                yield ("components", *found)
            parts += as_list(part.get("allOf")) if kind is Kind.SCHEMA else []


def _cycle_problem(cycle: list[Place], locate: Locate) -> Problem:
    names = " → ".join(str(place[-1]) for place in cycle)
    return Problem(*locate(cycle[0]), f"circular references: {names}", "break the circle in openapi/overlay.json")
