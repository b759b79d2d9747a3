"""A deadline for all that a thread reads from the network: of an answer that trickles, httpx bounds each read alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import httpx

_KINDS = ("connect", "read", "write", "pool")
_CONNECTED = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")
_CONNECTING = ("connect_tcp.started", "connect_unix_socket.started")
_LONGEST_SECONDS = 1e9  # some thirty years; a socket takes no more than ten times as many
_SHORTEST_SECONDS = 0.001  # 0 would make a socket a non-blocking one

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def deadline_scope(deadline: float) -> Iterator[None]:
    """Have whatever is read in here end by then, on the machine's monotonic clock, or by an earlier one around it."""
    token = _deadline.set(min(deadline, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def check() -> None:
    """Raises httpx.ReadTimeout when the deadline has passed."""
    if time.monotonic() >= _deadline.get():
        raise httpx.ReadTimeout("the deadline has passed")


class TimeLeft(Mapping[str, float | None]):
    """The extension `timeout` of a request for httpx: each step gets so many seconds, or what is left if that is less.

    Args:
        seconds: What a single step may take; infinite for whatever it needs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __getitem__(self, kind: str) -> float | None:
        return _capped(self._seconds)

    def __iter__(self) -> Iterator[str]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)


def enforce_deadline(event: str, info: Mapping[str, Any]) -> None:
    """Be httpcore's `trace`, and see that a connection just made keeps to the deadlines of whoever waits for it.

    httpcore reads a head in a loop to which it gives one timeout, and gives a TLS handshake as much again as it has
    given the connection. Its connections are the only place in between, and its `trace` the only documented way to them
    that serves clients of the user's own, too.
    """
    if event.endswith(_CONNECTING) and time.monotonic() >= _deadline.get():
        raise httpx.ConnectTimeout("the deadline has passed")  # before one more try of a transport of the user's own
    if event.endswith(_CONNECTED):
        stream = info["return_value"]
        with suppress(AttributeError):  # a stream of somebody's own, with slots: its single steps are bounded
            stream.start_tls = partial(_start_tls, stream.start_tls)
            stream.read = partial(_read, stream.read)


def _read(read: Callable[..., bytes], max_bytes: int, timeout: float | None = None) -> bytes:
    check()
    return read(max_bytes, timeout=_capped(math.inf if timeout is None else timeout))


def _start_tls(
    start_tls: Callable[..., object],
    ssl_context: object,
    server_hostname: str | None = None,
    timeout: float | None = None,
) -> object:
    return start_tls(ssl_context, server_hostname, _capped(math.inf if timeout is None else timeout))


def _capped(seconds: float) -> float | None:
    seconds = min(seconds, _deadline.get() - time.monotonic())
    return None if seconds > _LONGEST_SECONDS else max(seconds, _SHORTEST_SECONDS)
