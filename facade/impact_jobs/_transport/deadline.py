"""A deadline for one whole exchange: httpx limits only single reads, so a response that trickles could take forever.

httpcore reads a head in a loop that passes the same timeout to every read, and a TLS handshake gets the timeout of the
connection once more. So the reads and the handshake of each connection are shortened to the time that is left. The only
documented way to the connections that also works for a user's own `httpx.Client` is httpcore's `trace` extension.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import httpx

_CONNECTING: Final = frozenset({"connect_tcp.started", "connect_unix_socket.started"})
_CONNECTED: Final = frozenset({"connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete"})
CONNECTION_EVENTS: Final = _CONNECTING | _CONNECTED
"""The events that `enforce_deadline` handles."""

_STEPS = ("connect", "read", "write", "pool")
_MAX_SECONDS = 1e9  # some thirty years; a socket accepts no more than ten times as many
_MIN_SECONDS = 0.001  # 0 would make a socket non-blocking

_deadline: ContextVar[float] = ContextVar("impact_jobs_deadline", default=math.inf)


@contextmanager
def deadline_scope(deadline: float) -> Iterator[None]:
    """Limit everything that this thread reads in the block to `deadline` by `time.monotonic`, or an outer block's.

    Raise httpx.ReadTimeout if the deadline has passed already.
    """
    token = _deadline.set(min(deadline, _deadline.get()))
    try:
        _check()
        yield
    finally:
        _deadline.reset(token)


class TimeLeft(Mapping[str, float | None]):
    """The `timeout` extension of a request: each step may take `seconds`, or the time that is left if that is less."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __getitem__(self, step: str) -> float | None:
        return _shortened(self._seconds)

    def __iter__(self) -> Iterator[str]:
        return iter(_STEPS)

    def __len__(self) -> int:
        return len(_STEPS)


def enforce_deadline(event: str, info: Mapping[str, Any]) -> None:
    """On one of `CONNECTION_EVENTS`, make the new connection keep the deadline of each exchange that uses it.

    Raise httpx.ConnectTimeout if the deadline has passed when a user's own transport connects once more.
    """
    if event in _CONNECTING and time.monotonic() >= _deadline.get():
        raise httpx.ConnectTimeout("the deadline has passed")
    if event in _CONNECTED:
        stream = info["return_value"]
        with suppress(AttributeError):  # a custom stream with slots: only its single reads are limited
            stream.start_tls = partial(_start_tls, stream.start_tls)
            stream.read = partial(_read, stream.read)


def _read(read: Callable[..., bytes], max_bytes: int, timeout: float | None = None) -> bytes:
    _check()
    return read(max_bytes, timeout=_shortened(timeout))


def _start_tls(
    start_tls: Callable[..., object],
    ssl_context: object,
    server_hostname: str | None = None,
    timeout: float | None = None,
) -> object:
    return start_tls(ssl_context, server_hostname, _shortened(timeout))


def _check() -> None:
    if time.monotonic() >= _deadline.get():
        raise httpx.ReadTimeout("the deadline has passed")


def _shortened(timeout: float | None) -> float | None:
    seconds = min(math.inf if timeout is None else timeout, _deadline.get() - time.monotonic())
    return None if seconds > _MAX_SECONDS else max(seconds, _MIN_SECONDS)
