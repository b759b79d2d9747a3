"""No way off this machine: for tests that must not reach the real API by mistake."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import pytest

_HERE: Final = frozenset({"", "localhost", "localhost.localdomain"})


@contextmanager
def offline() -> Iterator[None]:
    """Fail the test at the first look-up of, or connection to, anything but this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            patch.setattr(socket, name, _guarded(getattr(socket, name), lambda host, *_, **__: host))
        for name in ("connect", "connect_ex"):
            real = getattr(socket.socket, name)
            patch.setattr(socket.socket, name, _guarded(real, lambda _, address: _host_of(address)))
        yield


def _guarded(real: Callable[..., Any], host_of: Callable[..., object]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the real one takes
        host = host_of(*args, **kwargs)
        if not _is_here(host):
            _refuse(host)
        return real(*args, **kwargs)

    return guarded


def _host_of(address: object) -> object:
    return address[0] if isinstance(address, tuple) else None  # a path of a Unix socket is no host


def _is_here(host: object) -> bool:
    text = host.decode("latin-1") if isinstance(host, bytes) else host
    if not isinstance(text, str) or text.lower() in _HERE:
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(host: object) -> NoReturn:
    # Not an Exception: a client would take it for a network that is down, and try again.
    pytest.fail(
        f"impact_offline: the test would have left this machine for {host!r}. Point the code at the sandbox: by "
        "impact_environ, or with base_url=impact_sandbox.base_url."
    )
