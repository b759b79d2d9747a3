"""How far an asynchronous request has come, by what httpcore's `trace` tells."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import httpcore
from impact_jobs.httpx_async import _Course

GET = httpcore.Request("GET", "https://api.impact.com/")
CONNECT = httpcore.Request("CONNECT", "https://api.impact.com/")


Event: TypeAlias = tuple[str, dict[str, Any]]


class Connection:
    is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True


def course_after(*events: Event) -> _Course:
    """The course, dropped after these."""
    course = _Course()

    async def go() -> None:
        for event, info in events:
            await course.note(event, info)
        await course.drop()

    asyncio.run(go())
    return course


def test_of_what_is_not_traced_anything_may_be_sent() -> None:
    assert course_after().may_be_sent


def test_a_connection_in_the_making_is_closed_and_nothing_was_sent() -> None:
    made = Connection()
    started: Event = ("connection.connect_tcp.started", {})
    course = course_after(started, ("connection.connect_tcp.complete", {"return_value": made}))
    assert not course.may_be_sent
    assert made.is_closed
    assert not course_after(started).may_be_sent


def test_a_connection_that_is_in_use_is_left_alone() -> None:
    made = Connection()
    course = course_after(
        ("connection.connect_tcp.started", {}),
        ("connection.connect_tcp.complete", {"return_value": made}),
        ("http2.send_request_headers.started", {"request": GET}),
    )
    assert course.may_be_sent
    assert not made.is_closed


def test_what_a_proxy_is_asked_for_is_not_the_request() -> None:
    made = Connection()
    asked: list[Event] = [
        ("connection.connect_tcp.started", {}),
        ("connection.connect_tcp.complete", {"return_value": made}),
        ("http11.send_request_headers.started", {"request": CONNECT}),
    ]
    course = course_after(*asked)
    assert not course.may_be_sent
    assert made.is_closed
    assert course_after(*asked, ("http11.send_request_headers.started", {"request": GET})).may_be_sent
