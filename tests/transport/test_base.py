from __future__ import annotations

import math

import pytest
from attrs import define, field
from impact_jobs import UnexpectedResponseError
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import MAX_BODY_BYTES, Head, Request, Write, read_all
from impact_jobs._transport.run_sync import run_sync

from tests.support.simulated import EPOCH

REQUEST = Request(method="GET", url=secret_url("https://api.impact.com/Jobs?token=secret"), timeout=30.0)
PIECE = bytes(1024 * 1024)


@define
class Body:
    """An open response whose body comes in equal pieces, and which remembers the deadlines of its reads."""

    pieces: int
    head: Head = field(factory=lambda: Head(status_code=200, received_at=EPOCH))
    deadline: float = 77.0
    last_deadline: float = 0.0
    is_closed: bool = False

    async def read(self, deadline: float = math.inf) -> bytes:
        self.last_deadline = deadline
        self.pieces -= 1
        return PIECE if self.pieces >= 0 else b""

    async def copy_to(self, write: Write, limit: int) -> int:
        raise NotImplementedError

    def unread(self, data: bytes) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.is_closed = True


def test_a_response_is_read_to_its_end_by_its_deadline_and_closed() -> None:
    body = Body(pieces=MAX_BODY_BYTES // len(PIECE))
    assert len(run_sync(read_all(body, REQUEST)).body) == MAX_BODY_BYTES
    assert body.is_closed
    assert body.last_deadline == body.deadline


def test_a_response_beyond_the_limit_is_refused() -> None:
    body = Body(pieces=MAX_BODY_BYTES // len(PIECE) + 1)
    with pytest.raises(UnexpectedResponseError, match=f"exceeds {MAX_BODY_BYTES} bytes") as raised:
        run_sync(read_all(body, REQUEST))
    assert body.is_closed
    assert "secret" not in str(raised.value)


def test_without_limits_neither_size_nor_deadline_apply() -> None:
    body = Body(pieces=MAX_BODY_BYTES // len(PIECE) + 1)
    assert len(run_sync(read_all(body, REQUEST, is_limited=False)).body) > MAX_BODY_BYTES
    assert body.last_deadline == math.inf
