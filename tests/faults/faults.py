"""The faults of single exchanges: what happens, and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from attrs import frozen

FaultKind: TypeAlias = Literal["cut", "reset", "stall", "delay", "trickle", "duplicate", "corrupt"]
Place: TypeAlias = Literal["connection", "request", "answer", "head", "body", "end"]

PLACES: Final[dict[FaultKind, tuple[Place, ...]]] = {
    "cut": ("connection", "request", "answer", "head", "body", "end"),
    "reset": ("connection", "request", "answer", "head", "body", "end"),
    "stall": ("connection", "request", "answer", "head", "body"),
    "delay": ("connection", "request", "answer", "head", "body", "end"),
    "trickle": ("answer", "head", "body"),
    "duplicate": ("head", "body", "end"),
    "corrupt": ("head", "body"),
}


@frozen
class Fault:
    """A fault of one exchange.

    Attributes:
        kind: What happens. A stall lasts until the client gives up.
        place: Where it happens: when the connection is made; after the request arrived, before it is forwarded; after
            the origin has answered, before the client gets a byte; in the head or body of the response; after its end.
        at: The position in the head or the body, from 0 to 1.
        seconds: The length of a delay, or of a whole trickle.
    """

    kind: FaultKind
    place: Place
    at: float = 0.0
    seconds: float = 0.01

    @property
    def name(self) -> str:
        return f"{self.kind} {'in' if self.place in {'head', 'body'} else 'at'} {self.place}"


def all_faults() -> Iterator[tuple[FaultKind, Place]]:
    """Return every kind of fault at every place where it makes sense."""
    return ((kind, place) for kind, places in PLACES.items() for place in places)
