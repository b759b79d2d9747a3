"""How far a request has got, by the events of httpcore's `trace` extension: may a byte of it have left?"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import httpx

_CONNECTED: Final = frozenset({"connect_tcp.complete", "start_tls.complete"})
_SENDING: Final = "send_request_headers.started"
TRACED_EVENTS: Final = _CONNECTED | {"connect_tcp.started", _SENDING}
"""The events that `RequestTrace.note` handles."""

EXTENSION: Final = "impact_jobs_trace"
"""The extension under which a request for httpx carries its trace."""

# No connection was made, so no byte of the request can have left: unless the error belongs to another request.
_NO_CONNECTION: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class RequestTrace:
    """The progress of one request. A transport may fail over to other hosts, but a byte that has left stays sent.

    Attributes:
        connecting: The connections that the request has made but not used, so that no other request can use them yet.
    """

    def __init__(self) -> None:
        self._has_left = self._has_begun_to_connect = False
        self._made: list[Any] = []
        self.connecting: list[Any] = []

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Record one of `TRACED_EVENTS`."""
        if event in _CONNECTED:
            self._made.append(info["return_value"])
            self.connecting.append(info["return_value"])
        elif event != _SENDING:
            self._has_begun_to_connect = True
        elif info["request"].method != b"CONNECT":  # which is sent to a proxy, ahead of the request itself
            self._has_left = True
            self.connecting.clear()

    @property
    def is_connecting(self) -> bool:
        """Whether the request is certainly still making its first connection."""
        return self._has_begun_to_connect and not self._has_left

    def has_not_left(self, error: Exception) -> bool:
        """Return whether `error` proves that no byte has left: it is this request's own, not one of a user's hook."""
        if self._has_left or not isinstance(error, _NO_CONNECTION):
            return False
        try:
            return error.request.extensions.get(EXTENSION) is self
        except RuntimeError:  # the error belongs to no request
            return False

    def abort(self) -> None:
        """Make the thread that waits for the response stop, if the request has made a connection of its own."""
        for connection in tuple(self._made):
            if (found := connection.get_extra_info("socket")) is not None:
                with suppress(OSError):  # it is closed, or wrapped in a TLS socket by now
                    socket.socket.shutdown(found, socket.SHUT_RDWR)
