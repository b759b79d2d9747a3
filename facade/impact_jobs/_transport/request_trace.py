"""How far one request has come, by what httpcore's documented `trace` tells: whether a byte of it may have left."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import httpx

EXTENSION: Final = "impact_jobs_course"
"""The extension of a request for httpx under which its course goes along."""

# The connection was never made, so no byte of the request can have left: unless it is another request's error.
_NO_CONNECTION: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class RequestTrace:
    """One request's way. A transport may fail over to other hosts: what has left once has left for good.

    Attributes:
        connecting: The connections that it makes and has sent nothing over, so that nobody else can use them yet.
    """

    def __init__(self) -> None:
        self._has_left = self._has_begun_to_connect = False
        self._made: list[Any] = []
        self.connecting: list[Any] = []

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of one of httpcore's events."""
        if event.endswith("connect_tcp.started"):
            self._has_begun_to_connect = True
        elif event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._made.append(info["return_value"])
            self.connecting.append(info["return_value"])
        elif event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":  # a proxy's
            self._has_left = True
            self.connecting.clear()

    @property
    def is_connecting(self) -> bool:
        """Whether its first connection is known to be in the making still, so that no byte can have left."""
        return self._has_begun_to_connect and not self._has_left

    def has_not_left(self, error: Exception) -> bool:
        """Whether `error` says that no byte can have left: it is this request's own, and no hook's of the user's."""
        if self._has_left or not isinstance(error, _NO_CONNECTION):
            return False
        try:
            return error.request.extensions.get(EXTENSION) is self
        except RuntimeError:  # it is nobody's
            return False

    def abort(self) -> None:
        """Make whoever waits for it in another thread stop, where that is known to be at a connection of its own."""
        for connection in tuple(self._made):
            if (found := connection.get_extra_info("socket")) is not None:
                with suppress(OSError):  # closed, or within a TLS one by now
                    socket.socket.shutdown(found, socket.SHUT_RDWR)
