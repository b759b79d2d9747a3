"""How far a request has come, by what httpcore's `trace` tells."""

from __future__ import annotations

from typing import Any, TypeAlias

import httpcore
import httpx
import pytest
from impact_jobs._transport.request_trace import EXTENSION, RequestTrace

Event: TypeAlias = tuple[str, dict[str, Any]]

GET = httpcore.Request("GET", "https://api.impact.com/")
CONNECT = httpcore.Request("CONNECT", "https://api.impact.com/")
MADE = object()
STARTED: Event = ("connection.connect_tcp.started", {})
COMPLETE: Event = ("connection.connect_tcp.complete", {"return_value": MADE})
SECURED: Event = ("connection.start_tls.complete", {"return_value": MADE})
SENT: Event = ("http11.send_request_headers.started", {"request": GET})
ASKED_OF_A_PROXY: Event = ("http11.send_request_headers.started", {"request": CONNECT})


def course_after(*events: Event) -> RequestTrace:
    course = RequestTrace()
    for event, info in events:
        course.note(event, info)
    return course


@pytest.mark.parametrize(
    "events",
    [
        (STARTED,),
        (STARTED, COMPLETE),
        (STARTED, COMPLETE, SECURED),
        (STARTED, COMPLETE, ASKED_OF_A_PROXY),
        (STARTED, COMPLETE, ASKED_OF_A_PROXY, SECURED),
    ],
)
def test_a_request_that_is_connecting_has_not_left(events: tuple[Event, ...]) -> None:
    course = course_after(*events)
    assert course.is_connecting
    assert course.connecting == [MADE] * len({COMPLETE[0], SECURED[0]} & {event for event, _ in events})
    assert course.has_not_left(own_error(course))


@pytest.mark.parametrize(
    "events",
    [
        (),  # a transport that tells nothing, or a connection that was kept
        (SENT,),
        (STARTED, COMPLETE, SENT),
        (STARTED, COMPLETE, SENT, STARTED),  # a transport that fails over to another host
        (STARTED, COMPLETE, ASKED_OF_A_PROXY, SENT),
    ],
)
def test_any_other_may_have_left(events: tuple[Event, ...]) -> None:
    course = course_after(*events)
    assert not course.is_connecting
    assert course.connecting == [], "what is made may serve others"
    assert course.has_not_left(own_error(course)) == (events == ()), "then the error's word is all there is"


def own_error(course: RequestTrace, kind: type[httpx.RequestError] = httpx.ConnectError) -> httpx.RequestError:
    return kind("", request=httpx.Request("PUT", "https://api.impact.com/", extensions={EXTENSION: course}))


def test_another_request_s_error_says_nothing_of_this_one() -> None:
    """Such as one that a hook of the user's makes, when this one has been answered."""
    course = RequestTrace()
    assert not course.has_not_left(own_error(RequestTrace()))
    assert not course.has_not_left(httpx.ConnectError(""))
    assert not course.has_not_left(httpx.ConnectError("", request=httpx.Request("GET", "https://example.com/")))
    assert not course.has_not_left(own_error(course, httpx.ReadError))
    assert not course.has_not_left(ValueError())
