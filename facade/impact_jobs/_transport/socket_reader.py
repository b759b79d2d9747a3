"""The fast path of a download: the body straight from the socket into one buffer, past httpx's layers.

httpx's parser costs some ten microseconds and several copies a chunk, which bounds a download at half of what the
link and the disk can do. Its documented `network_stream` extension leads to the socket. After the first chunk of a
body with a length over HTTP/1.1 the parser holds nothing back, so the rest of it can be read from there.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx

from impact_jobs._transport.headers import content_length

_BUFFER_BYTES = 256 * 1024
_WORTH_IT_BYTES = 4 * 1024 * 1024  # the connection is lost by it, so small bodies stay with the parser
_LONGEST_FILL_SECONDS = 0.25


class SocketReader:
    """The rest of one body, read from its socket.

    The connection is of no use afterwards; httpx drops it, for to its parser the body never ends.
    """

    def __init__(self, found: socket.socket, *, left: int, timeout: float) -> None:
        self._receive = _receiver(found)
        self._left = left
        self._failure: OSError | None = None
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        found.settimeout(timeout)

    @classmethod
    def from_response(cls, response: httpx.Response, *, received: int, timeout: float) -> SocketReader | None:
        """The door to the rest of a body of which `received` bytes came, or None unless all is as we know it."""
        headers = response.headers
        length = content_length(headers)
        if (
            response.extensions.get("http_version") != b"HTTP/1.1"
            or "transfer-encoding" in headers
            or "content-encoding" in headers
            or length is None
            or length - received < _WORTH_IT_BYTES
        ):
            return None
        try:
            found = _plain_socket(response)
        except OSError:  # reset already, and then nobody is at its other end; the parser will say so
            return None
        return None if found is None else cls(found, left=length - received, timeout=timeout)

    def fill(self, limit: int) -> memoryview:
        """The next bytes, up to `limit` and as many as come within a moment; empty at the end.

        Raises:
            OSError: Nothing came in time, or the connection broke, as a closed one before the end does.
        """
        if self._failure is not None:
            raise self._failure
        deadline = time.monotonic() + _LONGEST_FILL_SECONDS
        wanted, filled = min(self._left, limit, _BUFFER_BYTES), 0
        while filled < wanted:
            try:
                count = self._receive(self._buffer[filled:wanted])
                if not count:
                    raise ConnectionError(f"the connection ended {self._left - filled} bytes before the body")
            except OSError as error:
                if not filled:
                    raise
                self._failure = error  # told next time, for what came before it counts
                break
            filled += count
            if filled < wanted and time.monotonic() >= deadline:
                break
        self._left -= filled
        return self._buffer[:filled]


def _receiver(found: socket.socket) -> Callable[[memoryview], int]:
    """What fills a buffer as far as bytes are there; 0 at the end."""
    if isinstance(found, ssl.SSLSocket):
        read = found.read  # what its recv_into comes to, less a layer; TLS yields 16 KiB a call, so layers count
        return lambda into: read(len(into), into)  # type: ignore[return-value] # typeshed: bytes too
    return found.recv_into


def _plain_socket(response: httpx.Response) -> socket.socket | None:
    """The socket, if its bytes are those of the body: not where a proxy wraps TLS in TLS, nor where there is none."""
    stream: Any = response.extensions.get("network_stream")
    if stream is None:
        return None
    found, tls = stream.get_extra_info("socket"), stream.get_extra_info("ssl_object")
    is_direct = _port_of(stream.get_extra_info("server_addr")) == _port_of_url(response.request.url)
    if response.request.url.scheme == "https":
        return found if is_direct and isinstance(found, ssl.SSLSocket) and not isinstance(tls, ssl.SSLObject) else None
    return found if is_direct and type(found) is socket.socket and tls is None else None


def _port_of(address: object) -> object:
    return address[1] if isinstance(address, tuple) and len(address) > 1 else None


def _port_of_url(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
