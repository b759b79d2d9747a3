"""Keeps a test from reaching the real API by mistake."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import pytest

_LOCAL_NAMES: Final = frozenset({"", "localhost", "localhost.localdomain"})


@contextmanager
def offline() -> Iterator[None]:
    """Fail the test as soon as it resolves the name of, or connects to, another machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            patch.setattr(socket, name, _guarded(getattr(socket, name), lambda host, *_, **__: host))
        for name in ("connect", "connect_ex"):
            original = getattr(socket.socket, name)
            patch.setattr(socket.socket, name, _guarded(original, lambda _, address: _host_of(address)))
        yield


def _guarded(original: Callable[..., Any], host_of: Callable[..., object]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the arguments of the original
        host = host_of(*args, **kwargs)
        if not _is_local(host):
            _fail(host)
        return original(*args, **kwargs)

    return guarded


def _host_of(address: object) -> object:
    return address[0] if isinstance(address, tuple) else None  # a Unix socket has a path instead


def _is_local(host: object) -> bool:
    text = host.decode("latin-1") if isinstance(host, bytes) else host
    if not isinstance(text, str) or text.lower() in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _fail(host: object) -> NoReturn:
    # Raises a BaseException; a client would take an Exception for a network failure and retry.
    pytest.fail(
        f"impact_offline: the test tried to reach {host!r}. Point the code at the sandbox with impact_environ, or with "
        "base_url=impact_sandbox.base_url."
    )
