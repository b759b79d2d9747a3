"""The request to a monitor: when it is repeated, which URLs it accepts, and that nothing shows its path."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator

import pytest
import trustme
from impact_jobs import ConfigurationError, TransportError
from impact_jobs._transport import clock
from impact_jobs._transport.heartbeat import heartbeat_url, send_heartbeat

from tests.support.raw_server import Asked, Reply, serving
from tests.support.virtual_clock import VirtualClock
from tests.transport.test_secrets import everything_in, everything_said

PATH = "/canary-5f1c7f2e?q=canary"
NOTHING = {"Content-Length": "0"}


@pytest.fixture(autouse=True)
def virtual() -> Iterator[VirtualClock]:
    with clock.use(found := VirtualClock()):
        yield found


def test_one_request_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(lambda _: Reply(headers=NOTHING)) as server:
        send_heartbeat(heartbeat_url(f"{server.url}{PATH}"))
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", PATH)
    assert asked.headers["user-agent"].startswith("impact-jobs/")
    assert "authorization" not in asked.headers
    assert "canary" not in everything_said(caplog)


@pytest.mark.parametrize(
    ("statuses", "requests", "problem"),
    [
        ([503, 429, 204], 3, ""),
        ([500] * 5, 3, "HTTP 500"),
        ([404] * 5, 1, "HTTP 404"),
        ([302] * 5, 1, "HTTP 302"),
    ],
)
def test_a_failure_that_may_pass_is_tried_again(
    statuses: list[int], requests: int, problem: str, *, virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    left, before = iter(statuses), virtual.monotonic()
    redirect = {"Location": f"http://monitor.example{PATH}"}
    with serving(lambda _: Reply(status=next(left), headers=NOTHING | redirect)) as server:
        url = heartbeat_url(f"{server.url}{PATH}")
        if problem:
            with pytest.raises(TransportError, match=problem) as caught:
                send_heartbeat(url)
            assert "canary" not in everything_in(caught.value) + everything_said(caplog)
        else:
            send_heartbeat(url)
    assert len(server.asked) == requests
    assert virtual.monotonic() - before == [0.0, 1.0, 6.0][requests - 1]


def test_a_monitor_that_is_not_there_is_named_by_its_host() -> None:
    def hang_up(_asked: Asked) -> Reply:
        raise ConnectionError

    with serving(hang_up) as server:
        url = heartbeat_url(f"{server.url}{PATH}")
        with pytest.raises(TransportError, match=r"heartbeat to http://127\.0\.0\.1:\d+/\*\*\* failed: ") as caught:
            send_heartbeat(url)
    assert len(server.asked) == 3
    assert "canary" not in everything_in(caught.value)


def test_a_certificate_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("NO_PROXY", "*")
    with serving(lambda _: Reply(headers=NOTHING), tls=context) as server:
        url = heartbeat_url(f"{server.url}{PATH}")
        with pytest.raises(TransportError, match="certificate"):
            send_heartbeat(url)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hc-ping.com/canary", "is not a URL"),
        ("ftp://hc-ping.com/canary", "is not a URL"),
        ("https:///canary", "is not a URL"),
        ("https://hc-ping.com/can ary", "is not a URL"),
        ("https://hc-ping.com:x/canary", "check its host and port"),
        ("https://user:canary@hc-ping.com/", "contains a user name"),
        ("http://hc-ping.com/canary", "heartbeat to hc-ping.com would be sent in clear text"),
    ],
)
def test_another_url_is_rejected_without_showing_it(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        heartbeat_url(text)
    assert "ary" not in str(caught.value)


def test_a_url_shows_its_host_alone() -> None:
    url = heartbeat_url("https://hc-ping.com:8443/canary?key=canary")
    assert str(url) == repr(url) == "https://hc-ping.com:8443/***"
