"""The simulated port: a virtual clock and a scripted API, so that hours of waiting take no time at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from attrs import define, field
from impact_jobs._account import Account
from impact_jobs._api.context import ClientContext
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.rate_limiter import RateLimiter
from impact_jobs._policy.retry import Retry
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.base import Head, Request, Response, Stream
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
class SimulatedPort:
    """Answers as its script says for the time of its clock; sleeping moves the clock, and nothing else takes time.

    Attributes:
        script: Called with the time and the request.
        clock: Seconds.
        exchange_seconds: What one exchange takes.
        asked: When each request was made, and with which timeout.
    """

    script: Script
    clock: float = 1000.0
    exchange_seconds: float = 0.0
    asked: list[tuple[float, float]] = field(factory=list)

    async def send(self, request: Request) -> Response:
        self.asked.append((self.clock, request.timeout))
        self.clock += self.exchange_seconds
        outcome = self.script(self.clock, request)
        if isinstance(outcome, JobsError):
            raise outcome
        received = EPOCH + timedelta(seconds=self.clock)
        head = outcome.head
        return Response(
            head=Head(status_code=head.status_code, headers=head.headers, location=head.location, received_at=received),
            body=outcome.body,
        )

    async def stream(self, request: Request) -> Stream:
        raise NotImplementedError("downloads are tested over real sockets")

    async def whole(self, stream: Stream, request: Request) -> Response:
        raise NotImplementedError("downloads are tested over real sockets")

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
    """A context over a simulated port, without jitter."""
    account = Account.create("IRtest", Secret("token"), secret_url("https://api.impact.com"))
    port = SimulatedPort(script, exchange_seconds=exchange_seconds)
    return ClientContext(
        account=account,
        transport=port,
        retry=retry,
        polling=polling,
        request_timeout=30.0,
        random=lambda: 0.5,
        rate_limiter=RateLimiter(),  # of its own, for so is its clock
    )


def port_of(context: ClientContext) -> SimulatedPort:
    assert isinstance(context.transport, SimulatedPort)
    return context.transport
