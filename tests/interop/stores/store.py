"""The interface of every object store in these tests."""

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
    """An object to store.

    Attributes:
        body: Its bytes.
        key: Its name in the store; by default a fresh one.
        disposition: Its `Content-Disposition`.
        encoding: Its `Content-Encoding`.
    """

    body: bytes = field(repr=False)
    key: str = field(factory=lambda: f"result-{secrets.token_hex(8)}.csv")
    disposition: str | None = None
    encoding: str | None = None

    def headers(self, prefix: str = "") -> dict[str, str]:
        """Return the metadata to store with the bytes: HTTP header names, each with a prefix."""
        about = {"Type": "text/csv", "Disposition": self.disposition, "Encoding": self.encoding}
        return {f"{prefix}Content-{name}": value for name, value in about.items() if value is not None}


class Store(Protocol):
    """A store on loopback with one empty bucket."""

    @property
    def port(self) -> int:
        """The port that it listens on."""
        ...

    def put(self, item: Item) -> None:
        """Store or replace an object."""

    def delete(self, key: str) -> None:
        """Remove an object."""

    def link(self, key: str, *, seconds: int = 600, port: int | None = None) -> str:
        """Sign a link for reading.

        Args:
            key: The object's name.
            seconds: How long the link is valid; with a negative number, it has expired.
            port: The port in the link, if not the store's own.
        """
        ...


def noise(seed: int, size: int) -> bytes:
    """Return incompressible bytes, the same in every run."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - not a secret


def ask(method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> httpx.Response:
    """Make a request as the store's operator; it must succeed."""
    answer = httpx.request(method, url, headers=headers, content=body, timeout=SECONDS, trust_env=False)
    if not answer.is_success:
        raise AssertionError(f"{method} {answer.url.path}: HTTP {answer.status_code} {answer.text[:500]}")
    return answer
