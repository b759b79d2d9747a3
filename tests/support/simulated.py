"""A simulated transport: a virtual clock and a scripted API, so that hours of waiting take no time at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from attrs import define, evolve, field
from impact_jobs._account import Account
from impact_jobs._api.context import ClientContext
from impact_jobs._policy.daily_exports import DailyExports
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.rate_limiter import RateLimiter
from impact_jobs._policy.recent_replays import RecentReplays
from impact_jobs._policy.replay_claims import ReplayClaims
from impact_jobs._policy.retry import Retry
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.base import Head, Request, Response, Write
from impact_jobs.errors import JobsError

T = TypeVar("T")

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
EPOCH = datetime(2026, 5, 29, tzinfo=UTC)

Answer = Response | JobsError
Script = Callable[[float, Request], Answer]


def answer(status: int, body: object = None, *, headers: Mapping[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(head=Head(status_code=status, headers=headers or {}, received_at=EPOCH), body=raw)


def job_json(status: str, **fields: Any) -> dict[str, Any]:
    return {"Id": JOB_ID, "Status": status, **fields}


@define
class WholeStream:
    """An open response whose body has arrived already."""

    head: Head
    _body: bytes
    deadline: float = math.inf

    async def read(self, deadline: float = math.inf) -> bytes:  # noqa: ARG002 - nothing takes time
        body, self._body = self._body, b""
        return body

    async def copy_to(self, write: Write, limit: int) -> int:  # noqa: ARG002 - a piece may be larger
        body = await self.read()
        write(body)
        return len(body)

    def unread(self, data: bytes) -> None:
        self._body = data + self._body

    def abort(self) -> None:
        """Do nothing, because no thread reads it."""

    async def aclose(self) -> None:
        """Do nothing, because there is no connection."""


@define
class SimulatedTransport:
    """Responds as its script says for the time of its clock. Only sleeping and exchanges move the clock.

    Attributes:
        script: Called with the time and the request.
        clock: Seconds.
        exchange_seconds: How long one exchange takes.
        asked: When each request was sent, and with which timeout.
    """

    script: Script
    clock: float = 1000.0
    exchange_seconds: float = 0.0
    asked: list[tuple[float, float]] = field(factory=list)

    async def open(self, request: Request) -> WholeStream:
        self.asked.append((self.clock, request.timeout))
        self.clock += self.exchange_seconds
        outcome = self.script(self.clock, request)
        if isinstance(outcome, JobsError):
            raise outcome
        return WholeStream(evolve(outcome.head, received_at=EPOCH + timedelta(seconds=self.clock)), outcome.body)

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.clock += seconds

    def now(self) -> float:
        return self.clock

    async def run(self, function: Callable[[], T]) -> T:
        return function()

    def lock(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def run_many(
        self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
    ) -> None:
        try:
            for task in tasks:
                await task()
        except BaseException:
            stop()
            raise


def context(
    script: Script, *, retry: Retry = Retry(), polling: Polling = Polling(), exchange_seconds: float = 0.0
) -> ClientContext:
    """Return a context over a simulated transport, without jitter."""
    account = Account.create("IRtest", Secret("token"), secret_url("https://api.impact.com"))
    return ClientContext(
        account=account,
        transport=SimulatedTransport(script, exchange_seconds=exchange_seconds),
        retry=retry,
        polling=polling,
        request_timeout=30.0,
        random=lambda: 0.5,
        # Its own, because so is the clock, and because its jobs are those of other tests.
        rate_limiter=RateLimiter(),
        replay_claims=ReplayClaims(),
        recent_replays=RecentReplays(),
        daily_exports=DailyExports(),
    )


def transport_of(context: ClientContext) -> SimulatedTransport:
    assert isinstance(context.transport, SimulatedTransport)
    return context.transport
