"""What the tests ask of an object store, whatever its family."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from typing import Protocol

import httpx
from attrs import field, frozen

SECONDS = 30.0


@frozen(kw_only=True)
class Item:
    """An object as it is to be stored.

    Attributes:
        body: Its bytes.
        key: Its name in the store; a fresh one when not given.
        disposition: Its `Content-Disposition`.
        encoding: Its `Content-Encoding`.
    """

    body: bytes = field(repr=False)
    key: str = field(factory=lambda: f"result-{secrets.token_hex(8)}.csv")
    disposition: str | None = None
    encoding: str | None = None

    def headers(self, prefix: str = "") -> dict[str, str]:
        """What is stored beside the bytes, by the names of HTTP, each with a prefix."""
        about = {"Type": "text/csv", "Disposition": self.disposition, "Encoding": self.encoding}
        return {f"{prefix}Content-{name}": value for name, value in about.items() if value is not None}


class Store(Protocol):
    """A store that runs on loopback, with one empty bucket."""

    @property
    def port(self) -> int:
        """Where it listens."""
        ...

    def put(self, item: Item) -> None:
        """Store an object, or store it anew."""

    def delete(self, key: str) -> None:
        """Remove an object."""

    def link(self, key: str, *, seconds: int = 600, port: int | None = None) -> str:
        """Sign a link for reading.

        Args:
            key: The object's name.
            seconds: How long the link is good for; one with a negative number has expired.
            port: Where the link leads, when not to the store itself.
        """
        ...


def noise(seed: int, size: int) -> bytes:
    """Bytes that nothing compresses, the same in every run."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - for no secret


def ask(method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> httpx.Response:
    """Make a request as a store's operator, which has to succeed."""
    answer = httpx.request(method, url, headers=headers, content=body, timeout=SECONDS, trust_env=False)
    if not answer.is_success:
        raise AssertionError(f"{method} {answer.url.path}: HTTP {answer.status_code} {answer.text[:500]}")
    return answer
