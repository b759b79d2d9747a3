from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from impact_jobs._transport import deadline
from impact_jobs._transport.deadline import CONNECTION_EVENTS, TimeLeft, deadline_scope, enforce_deadline

HOUR = 3600.0


class Connection:
    """Its methods take a timeout, as those of a connection of httpcore do."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return bytes(max_bytes)

    def start_tls(self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None) -> str:
        self.timeouts.append(timeout)
        return f"{ssl_context} for {server_hostname}"


@pytest.fixture(params=sorted(event for event in CONNECTION_EVENTS if event.endswith(".complete")))
def connection(request: pytest.FixtureRequest) -> Connection:
    """Return a connection that httpcore has passed to its `trace`."""
    made = Connection()
    enforce_deadline("connect_tcp.started", {})
    enforce_deadline(request.param, {"return_value": made})
    return made


def test_without_a_deadline_each_step_has_its_own_timeout(connection: Connection) -> None:
    assert connection.read(3, 5.0) == bytes(3)
    assert connection.read(3, timeout=None) == bytes(3)
    assert connection.start_tls(ssl_context="tls", server_hostname="a", timeout=7.0) == "tls for a"
    assert connection.timeouts == [5.0, None, 7.0]


def test_a_step_is_shortened_to_the_time_that_is_left(connection: Connection) -> None:
    with deadline_scope(time.monotonic() + HOUR):
        connection.read(1, 2 * HOUR)
        connection.read(1)
        connection.read(1, 5.0)
        connection.start_tls("tls", "a", 2 * HOUR)
    left = pytest.approx(HOUR, abs=60)
    assert connection.timeouts == [left, left, 5.0, left]


def test_nothing_is_read_after_the_deadline(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    with deadline_scope(time.monotonic() + HOUR):
        monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 2 * HOUR))
        with pytest.raises(httpx.ReadTimeout):
            connection.read(1, 5.0)
        assert connection.start_tls(ssl_context="tls", timeout=5.0)
        with pytest.raises(httpx.ConnectTimeout):
            enforce_deadline("connect_tcp.started", {})
    assert connection.timeouts == [0.001], "because 0 would make the socket non-blocking"
    connection.read(1, 5.0)


def test_the_earlier_of_two_deadlines_holds() -> None:
    now = time.monotonic()
    with deadline_scope(now + HOUR), deadline_scope(now + 2 * HOUR):
        assert TimeLeft(9 * HOUR)["read"] == pytest.approx(HOUR, abs=60)
    with pytest.raises(httpx.ReadTimeout), deadline_scope(now):
        pytest.fail("it has passed already")
    assert TimeLeft(9 * HOUR)["read"] == 9 * HOUR


def test_a_connection_that_cannot_be_limited_is_left_alone() -> None:
    class Slotted:
        __slots__ = ()

        def read(self) -> bytes:
            return b"read"

    stream: Any = Slotted()
    enforce_deadline("connect_tcp.complete", {"return_value": stream})
    assert stream.read() == b"read"


def test_the_timeout_of_each_step_is_shortened_to_the_time_that_is_left() -> None:
    with deadline_scope(time.monotonic() + 5.0):
        assert dict(TimeLeft(2.0)) == {"connect": 2.0, "read": 2.0, "write": 2.0, "pool": 2.0}
        assert TimeLeft(60.0).get("connect") == pytest.approx(5.0, abs=1)
    assert dict(TimeLeft(math.inf)) == dict.fromkeys(("connect", "read", "write", "pool"))
    assert len(TimeLeft(2.0)) == 4
