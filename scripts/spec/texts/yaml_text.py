"""Parse YAML strictly, as JSON written in another syntax, and find the line of any place in it.

Scalars follow the core schema of YAML 1.2: `no` and `2026-05-29` are strings. The parser's events are read one at a
time, because composing a whole document would exhaust the stack if it is nested too deeply, or the memory if its
aliases multiply.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import yaml

from spec.documents import Json
from spec.texts.faults import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_FAULTS,
    TOO_DEEP,
    TOO_MANY_DIGITS,
    Fault,
    FaultyTextError,
    beyond_floats,
)

MAX_VALUES = 500_000  # of a document; more than the largest that are published have
# Aliases may add so many characters and values to any document, and so many for each of its characters.
MAX_ALIASED = 10_000
MAX_GROWTH = 10

# The last three are line breaks for the parser, and ordinary characters in YAML 1.2.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\u2028\u2029]")
Scalar: TypeAlias = str | int | float | bool | None
_WORDS: dict[str, Scalar] = {"null": None, "true": True, "false": False}
_CONSTANTS: dict[str, Scalar] = {
    "": None,
    "~": None,
    **{spelling: value for word, value in _WORDS.items() for spelling in (word, word.capitalize(), word.upper())},
}
_FIRST = frozenset("~nNtTfF+-.0123456789")  # what the constants and numbers begin with
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAGS = "write the value without a tag; quote it if it has to be a string"


@dataclass(slots=True)
class Node:
    """A value of a document, with what is needed to bound it.

    Attributes:
        line: Its line, from 1.
        value: A scalar, or the nodes of an object or an array; those of an alias are the anchor's own.
        keys: The lines of an object's keys.
        size: The characters and values in it, with aliases written out.
        height: The levels of objects and arrays in it.
    """

    line: int
    value: "dict[str, Node] | list[Node] | Scalar"
    keys: dict[str, int] = field(default_factory=dict)
    size: int = 1
    height: int = 0

    def count(self, child: "Node") -> None:
        """Add a child to the size and the height."""
        self.size += child.size
        self.height = max(self.height, child.height + 1)


def compose(text: str) -> Node:
    """Return the root of the only document in a text.

    Raises:
        FaultyTextError: The text is not one YAML document that JSON could express, or expands far beyond its size.
    """
    if found := _REFUSED.search(text):
        number = text.count("\n", 0, found.start()) + 1
        raise FaultyTextError(Fault(number, f"the character U+{ord(found[0]):04X} is not allowed in YAML"))
    try:
        return _Composer(MAX_ALIASED + MAX_GROWTH * len(text)).compose(yaml.parse(text, Loader=yaml.CBaseLoader))
    except yaml.MarkedYAMLError as error:
        raise FaultyTextError(_syntax_fault(error)) from error
    except yaml.YAMLError as error:
        raise FaultyTextError(Fault(1, f"not a YAML document: {error}")) from error


def plain(node: Node) -> Json:
    """Return the value of a node, with aliases written out."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    return [plain(child) for child in node.value] if isinstance(node.value, list) else node.value


def line(root: Node, *place: str | int) -> int:
    """Return the line on which a value begins, or its key if it is in an object; from 1.

    Args:
        root: The document.
        place: The keys and indices that lead to the value. If there is no such place, the line is that of the last part
            of it that there is.
    """
    node, number = root, root.line
    for token in place:
        if isinstance(node.value, dict) and isinstance(token, str) and token in node.value:
            node, number = node.value[token], node.keys[token]
        elif isinstance(node.value, list) and isinstance(token, int) and 0 <= token < len(node.value):
            node = node.value[token]
            number = node.line
        else:
            break
    return number


# The attributes of an event depend on its kind.
_Event: TypeAlias = Any


class _Composer:
    """Builds the nodes of a document from the parser's events."""

    def __init__(self, most_aliased: int) -> None:
        self._most_aliased = most_aliased
        self._faults: list[Fault] = []
        self._anchors: dict[str, Node | None] = {}  # None while the anchor's own value is being read
        self._aliased = 0
        self._count = 0

    def compose(self, events: Iterator[_Event]) -> Node:
        root = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._stop(event, "a second document begins", "put each document into a file of its own")
                root = self._node(next(events), events, depth=0)
        if root is None:
            self._faults.append(Fault(1, "contains no document"))
        if self._faults or root is None:
            raise FaultyTextError(*self._faults)
        return root

    def _node(self, event: _Event, events: Iterator[_Event], *, depth: int) -> Node:
        number = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        anchor, node = event.anchor, Node(number, None)
        self._count += 1
        if self._count > MAX_VALUES:
            self._stop(
                event, f"the document has more than {MAX_VALUES} values", "write it in JSON, which is read faster"
            )
        if anchor is not None:
            self._anchors[anchor] = None
        if event.tag is not None:
            self._fault(event, f"the tag {event.tag!r}", _TAGS)
        if isinstance(event, yaml.ScalarEvent):
            node.value = self._scalar(event) if event.implicit[0] else event.value
            node.size += len(event.value)
        else:
            node.height = 1
            if depth == MAX_DEPTH:
                self._stop(event, TOO_DEEP)
            if isinstance(event, yaml.MappingStartEvent):
                self._fill_object(node, events, depth + 1)
            else:
                self._fill_array(node, events, depth + 1)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _fill_array(self, node: Node, events: Iterator[_Event], depth: int) -> None:
        node.value = children = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            children.append(self._node(event, events, depth=depth))
            node.count(children[-1])

    def _fill_object(self, node: Node, events: Iterator[_Event], depth: int) -> None:
        node.value = children = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events)
            if key in children:
                self._fault(event, f"the key {key!r} appears twice in one object")
            children[key] = child = self._node(next(events), events, depth=depth)
            node.keys[key] = event.start_mark.line + 1
            node.count(child)

    def _key(self, event: _Event, events: Iterator[_Event]) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(event, "a key is not a string", "write the key out; no alias, object or array can be one")
        if event.anchor is not None or event.tag is not None:
            self._node(event, events, depth=0)
        if event.implicit[0] and event.value == "<<":
            self._fault(event, "the merge key <<, which YAML 1.2 no longer has", "write the merged members out")
        if event.implicit[0] and event.value == "":
            self._fault(event, "a key is missing before the colon")
        # `200:` and `true:` are strings here, as they have to be in JSON.
        return str(event.value)

    def _scalar(self, event: _Event) -> Scalar:
        text: str = event.value
        if text and text[0] not in _FIRST:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _NOT_FINITE.fullmatch(text):
            self._fault(event, f"{text} is not a JSON number")
        elif _INTEGER.fullmatch(text):
            if len(text) <= MAX_DIGITS:
                return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
            self._fault(event, TOO_MANY_DIGITS)
        elif _FLOAT.fullmatch(text):
            value = float(text)
            if abs(value) != float("inf"):
                return value
            self._fault(event, beyond_floats(text))
        return text

    def _alias(self, event: _Event, depth: int) -> Node:
        node = self._anchors.get(event.anchor)
        if event.anchor not in self._anchors:
            self._stop(event, f"the alias *{event.anchor} has no anchor")
        if node is None:
            self._stop(event, f"the alias *{event.anchor} refers to a value that contains it")
        self._aliased += node.size
        if self._aliased > self._most_aliased:
            self._stop(event, "the aliases make the document grow far beyond its size", "write the values out")
        if depth + node.height > MAX_DEPTH:
            self._stop(event, TOO_DEEP)
        return node

    def _fault(self, event: _Event, reason: str, advice: str = "") -> None:
        self._faults.append(Fault(event.start_mark.line + 1, reason, advice))
        if len(self._faults) == MAX_FAULTS:
            raise FaultyTextError(*self._faults)

    def _stop(self, event: _Event, reason: str, advice: str = "") -> NoReturn:
        self._fault(event, reason, advice)
        raise FaultyTextError(*self._faults)


def _syntax_fault(error: yaml.MarkedYAMLError) -> Fault:
    at = error.problem_mark.line if error.problem_mark else 0
    above = at - error.context_mark.line if error.context_mark else 0
    # A distance, because a line of the text is another line of its page.
    context = f" ({error.context} that begins {above} lines above)" if above else ""
    advice = "YAML is indented with spaces, never with tabs" if "cannot start any token" in str(error.problem) else ""
    return Fault(at + 1, f"not a YAML document: {error.problem}{context}", advice)
