"""The fast path of a download: from the socket straight into one buffer, past the layers of httpx.

The parser of httpx costs some ten microseconds and several copies a chunk, which limits a download to half of what link
and disk can do. The documented `network_stream` extension gives access to the socket. If a body over HTTP/1.1 has a
length, the parser buffers no bytes between two chunks, so the rest can be read from the socket. Over TLS, that takes
35 % less CPU, and parallel downloads reach several times the throughput.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx

from impact_jobs._transport.foreign_timeout import raise_if_foreign

MIN_BYTES = 4 * 1024 * 1024
"""Smaller bodies stay with the parser, because the connection cannot be reused afterwards."""

_BUFFER_BYTES = 256 * 1024
_MAX_FILL_SECONDS = 0.25


class SocketReader:
    """Reads the rest of one body. The connection is closed afterwards, because the parser never sees the body's end."""

    def __init__(self, source: socket.socket, *, left: int, timeout: float) -> None:
        self._receive = _receiver(source)
        self._bytes_left = left
        self._failure: OSError | None = None
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        source.settimeout(timeout)

    @classmethod
    def from_response(cls, response: httpx.Response, *, left: int, timeout: float) -> SocketReader | None:
        """Return a reader for the `left` bytes at the end of a body with a length; None unless that is safe."""
        if response.extensions.get("http_version") != b"HTTP/1.1":
            return None
        try:
            source = _body_socket(response)
        except OSError as error:  # the connection was reset; the parser will report that
            raise_if_foreign(error)
            return None
        return None if source is None else cls(source, left=left, timeout=timeout)

    def fill(self, limit: int) -> memoryview:
        """Return the next bytes, up to `limit` and as many as arrive within a moment; empty at the end.

        Raise OSError if nothing arrives in time, or if the connection ends early.
        """
        if self._failure is not None:
            raise self._failure
        pause_at = time.monotonic() + _MAX_FILL_SECONDS
        wanted, filled = min(self._bytes_left, limit, _BUFFER_BYTES), 0
        while filled < wanted:
            try:
                count = self._receive(self._buffer[filled:wanted])
                if not count:
                    raise ConnectionError(f"the connection ended {self._bytes_left - filled} bytes before the body")
            except OSError as error:
                raise_if_foreign(error)
                if not filled:
                    raise
                self._failure = error  # raised by the next call, because the bytes before it count
                break
            filled += count
            if time.monotonic() >= pause_at:
                break
        self._bytes_left -= filled
        return self._buffer[:filled]


def _receiver(source: socket.socket) -> Callable[[memoryview], int]:
    """Return a function that reads available bytes into a buffer, and returns their number; 0 at the end."""
    if isinstance(source, ssl.SSLSocket):
        read = source.read  # `recv_into` only wraps it, and TLS returns no more than 16 KiB a call
        return lambda into: read(len(into), into)  # type: ignore[return-value] # typeshed: bytes too
    return source.recv_into


def _body_socket(response: httpx.Response) -> socket.socket | None:
    """Return the socket if its bytes are the body's: not if a proxy wraps TLS in TLS, or if there is no socket."""
    stream: Any = response.extensions.get("network_stream")
    url = response.request.url
    if stream is None or _port_of(stream.get_extra_info("server_addr")) != _port_of_url(url):
        return None
    source, tls = stream.get_extra_info("socket"), stream.get_extra_info("ssl_object")
    if url.scheme == "https":
        return source if isinstance(source, ssl.SSLSocket) and not isinstance(tls, ssl.SSLObject) else None
    return source if type(source) is socket.socket and tls is None else None


def _port_of(address: object) -> object:
    return address[1] if isinstance(address, tuple) and len(address) > 1 else None


def _port_of_url(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
