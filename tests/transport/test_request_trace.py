"""How far a request has got, by the events of httpcore's `trace`."""

from __future__ import annotations

from typing import Any, TypeAlias

import httpcore
import httpx
import pytest
from impact_jobs._transport.httpx_common import TRACE_EXTENSION, RequestTrace

Event: TypeAlias = tuple[str, dict[str, Any]]

GET = httpcore.Request("GET", "https://api.impact.com/")
CONNECT = httpcore.Request("CONNECT", "https://api.impact.com/")
MADE = object()
STARTED: Event = ("connect_tcp.started", {})
COMPLETE: Event = ("connect_tcp.complete", {"return_value": MADE})
SECURED: Event = ("start_tls.complete", {"return_value": MADE})
SENT: Event = ("send_request_headers.started", {"request": GET})
SENT_TO_A_PROXY: Event = ("send_request_headers.started", {"request": CONNECT})


def trace_after(*events: Event) -> RequestTrace:
    trace = RequestTrace()
    for event, info in events:
        trace.note(event, info)
    return trace


@pytest.mark.parametrize(
    "events",
    [
        (STARTED,),
        (STARTED, COMPLETE),
        (STARTED, COMPLETE, SECURED),
        (STARTED, COMPLETE, SENT_TO_A_PROXY),
        (STARTED, COMPLETE, SENT_TO_A_PROXY, SECURED),
    ],
)
def test_a_request_that_is_connecting_proves_unsent(events: tuple[Event, ...]) -> None:
    trace = trace_after(*events)
    assert trace.is_connecting
    assert trace.connecting == [MADE] * len({COMPLETE[0], SECURED[0]} & {event for event, _ in events})
    assert trace.proves_unsent(own_error(trace))


@pytest.mark.parametrize(
    "events",
    [
        (),  # a transport without events, or a kept connection
        (SENT,),
        (STARTED, COMPLETE, SENT),
        (STARTED, COMPLETE, SENT, STARTED),  # a transport that fails over to another host
        (STARTED, COMPLETE, SENT_TO_A_PROXY, SENT),
    ],
)
def test_any_other_request_may_have_been_sent(events: tuple[Event, ...]) -> None:
    trace = trace_after(*events)
    assert not trace.is_connecting
    assert trace.connecting == [], "other requests may use it"
    assert trace.proves_unsent(own_error(trace)) == (events == ()), "then only the error itself can tell"


def own_error(trace: RequestTrace, kind: type[httpx.RequestError] = httpx.ConnectError) -> httpx.RequestError:
    return kind("", request=httpx.Request("PUT", "https://api.impact.com/", extensions={TRACE_EXTENSION: trace}))


def test_the_error_of_another_request_proves_nothing() -> None:
    """A user's hook, for example, may send a request of its own after the response to this one."""
    trace = RequestTrace()
    assert not trace.proves_unsent(own_error(RequestTrace()))
    assert not trace.proves_unsent(httpx.ConnectError(""))
    assert not trace.proves_unsent(httpx.ConnectError("", request=httpx.Request("GET", "https://example.com/")))
    assert not trace.proves_unsent(own_error(trace, httpx.ReadError))
    assert not trace.proves_unsent(ValueError())
