from __future__ import annotations

import math
import time
from typing import Any

import httpx
import pytest
from impact_jobs._transport.deadline import TimeLeft, check, deadline_scope, enforce_deadline

HOUR = 3600.0


class Connection:
    """Has steps that take a timeout, as those of httpcore do."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return bytes(max_bytes)

    def start_tls(self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None) -> str:
        self.timeouts.append(timeout)
        return f"{ssl_context} for {server_hostname}"


@pytest.fixture(params=["connect_tcp", "connect_unix_socket", "start_tls"])
def connection(request: pytest.FixtureRequest) -> Connection:
    """Give one that httpcore tells its `trace` of."""
    made = Connection()
    enforce_deadline(f"connection.{request.param}.started", {})
    enforce_deadline(f"connection.{request.param}.complete", {"return_value": made})
    return made


def test_without_a_deadline_each_step_has_its_own_timeout(connection: Connection) -> None:
    assert connection.read(3, 5.0) == bytes(3)
    assert connection.read(3, timeout=None) == bytes(3)
    assert connection.start_tls(ssl_context="tls", server_hostname="a", timeout=7.0) == "tls for a"
    assert connection.timeouts == [5.0, None, 7.0]


def test_a_step_gets_what_is_left_if_that_is_less(connection: Connection) -> None:
    with deadline_scope(time.monotonic() + HOUR):
        connection.read(1, 2 * HOUR)
        connection.read(1)
        connection.read(1, 5.0)
        connection.start_tls("tls", "a", 2 * HOUR)
    assert connection.timeouts == [
        pytest.approx(HOUR, abs=60),
        pytest.approx(HOUR, abs=60),
        5.0,
        pytest.approx(HOUR, abs=60),
    ]


def test_when_it_has_passed_nothing_is_read(connection: Connection) -> None:
    with deadline_scope(time.monotonic()):
        with pytest.raises(httpx.ReadTimeout):
            connection.read(1, 5.0)
        assert connection.start_tls(ssl_context="tls", timeout=5.0)
    assert connection.timeouts == [0.001], "for 0 would make a socket a non-blocking one"
    connection.read(1, 5.0)


def test_of_two_deadlines_the_earlier_one_holds() -> None:
    with deadline_scope(time.monotonic()), deadline_scope(time.monotonic() + HOUR), pytest.raises(httpx.ReadTimeout):
        check()
    check()


def test_a_connection_that_cannot_be_bound_is_left_alone() -> None:
    class Slotted:
        __slots__ = ()

        def read(self) -> bytes:
            return b"read"

    stream: Any = Slotted()
    enforce_deadline("connection.connect_tcp.complete", {"return_value": stream})
    assert stream.read() == b"read"


def test_the_time_left_is_a_request_s_extension() -> None:
    with deadline_scope(time.monotonic() + 5.0):
        assert dict(TimeLeft(2.0)) == {"connect": 2.0, "read": 2.0, "write": 2.0, "pool": 2.0}
        assert TimeLeft(60.0).get("connect") == pytest.approx(5.0, abs=1)
    assert dict(TimeLeft(math.inf)) == dict.fromkeys(("connect", "read", "write", "pool"))
    assert len(TimeLeft(2.0)) == 4
