from __future__ import annotations

from datetime import UTC, datetime

import pytest
from impact_jobs import UnexpectedResponseError
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Head, Request, Response, read_whole
from impact_jobs._transport.run_sync import run_sync

from tests.support.driving import AnyClient

REQUEST = Request(method="GET", url=secret_url("https://api.impact.com/Jobs?token=secret"), timeout=30.0)


class Body:
    """An open answer that gives one byte a chunk."""

    def __init__(self, count: int) -> None:
        self.head = Head(status_code=200, headers={}, received_at=datetime(2026, 5, 29, tzinfo=UTC))
        self.left = count
        self.is_closed = False

    async def read(self) -> bytes:
        self.left -= 1
        return b"x" if self.left >= 0 else b""

    async def aclose(self) -> None:
        self.is_closed = True


def read(body: AnyClient) -> Response:
    return run_sync(read_whole(body, REQUEST, limit=100))


def test_an_answer_is_read_to_its_end_and_closed() -> None:
    body = Body(100)
    assert read(body).body == b"x" * 100
    assert body.is_closed


def test_an_answer_beyond_the_limit_is_given_up() -> None:
    body = Body(101)
    with pytest.raises(UnexpectedResponseError, match="exceeds 100 bytes") as raised:
        read(body)
    assert body.is_closed
    assert "secret" not in str(raised.value)
