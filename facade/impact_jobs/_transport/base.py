"""The transport protocol: everything that the operations need from the outside world, and the values they exchange."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from attrs import field, frozen

from impact_jobs._redaction import Secret, redact
from impact_jobs.errors import UnexpectedResponseError

T = TypeVar("T")
Write: TypeAlias = Callable[[bytes | memoryview], None]

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The largest body that is read into memory: a list of some 75,000 jobs."""


@frozen(kw_only=True)
class Request:
    """One HTTP request.

    `timeout` limits the whole exchange, in seconds; if the body is copied, it limits the head and then each read.
    With `to_storage`, no credentials, headers or cookies of the account are sent. With `is_download`, the body may be a
    result of any size.
    """

    method: str
    url: Secret  # it may be signed
    headers: Mapping[str, str] = field(factory=dict)
    content: bytes = field(default=b"", repr=False)
    timeout: float
    to_storage: bool = False
    is_download: bool = False


@frozen(kw_only=True)
class Head:
    """Status and headers of a response: the headers by lower-case name, without `Location`, which may be signed."""

    status_code: int
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    location: Secret | None = None
    received_at: datetime  # by the local clock


@frozen(kw_only=True)
class Response:
    """A response with its whole body, decoded as `Content-Encoding` states.

    `redact` is for what messages show of it; the body itself stays as it came, because it is parsed.
    """

    head: Head
    body: bytes = field(repr=False)
    redact: Callable[[str], str] = field(default=redact, repr=False)


class Stream(Protocol):
    """An open response. Read its body to the end with `read`, or copy it with `copy_to`; close it even after an error.

    Both raise TransportError if the body breaks off or does not continue in time. `deadline`, by `time.monotonic`, is
    the end of the request's timeout; it is in real time even under a virtual clock.
    """

    head: Head
    deadline: float

    async def read(self, deadline: float = math.inf) -> bytes:
        """Return the next bytes, decoded; b"" at the end of the body. Time out at `deadline`, or as a single read."""
        ...

    async def copy_to(self, write: Write, limit: int) -> int:
        """Pass the next bytes to `write`, and return their number; 0 at the end of the body.

        Return after about `limit` bytes, or once a quarter of a second has passed. `write` may be called in another
        thread, and must not keep its argument, because the buffer is reused.
        """
        ...

    def unread(self, data: bytes) -> None:
        """Put back what the last `read` calls returned: the next `read` or `copy_to` begins with it."""

    def abort(self) -> None:
        """Make a read that blocks in another thread fail at once."""

    async def aclose(self) -> None:
        """Return the connection to its pool, or close it if the body was not read to its end."""


class Transport(Protocol):
    """The outside world: blocking, asynchronous, or simulated with a virtual clock."""

    async def open(self, request: Request) -> Stream:
        """Send a request and return the response once its head has arrived; raise TransportError if it does not."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep."""

    def now(self) -> float:
        """Return the seconds of a clock that never goes back."""
        ...

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function that blocks on the disk, without blocking other tasks."""
        ...

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Return a lock for tasks that run concurrently."""
        ...

    async def run_many(
        self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
    ) -> None:
        """Run tasks concurrently, each in its own thread or asyncio task, until all have ended.

        If a task fails or the caller is interrupted, call `stop`, which must make the tasks end soon. Once all have
        ended, raise the first failure. If one of the tasks has called `run_many` itself, its tasks are stopped, too.
        """


async def read_all(stream: Stream, request: Request, *, is_limited: bool = True) -> Response:
    """Read a response to its end and close it.

    If it `is_limited`, raise RequestTimeoutError at the deadline of the exchange, however short each read was, and
    UnexpectedResponseError if the body exceeds `MAX_BODY_BYTES`.
    """
    deadline = stream.deadline if is_limited else math.inf
    body = bytearray()
    try:
        while data := await stream.read(deadline):
            body += data
            if is_limited and len(body) > MAX_BODY_BYTES:
                body.clear()  # a traceback would keep it alive
                raise UnexpectedResponseError(
                    f"{request.method} {request.url}: the answer exceeds {MAX_BODY_BYTES} bytes. "
                    "List fewer days at once.",
                    status_code=stream.head.status_code,
                )
    finally:
        await stream.aclose()
    return Response(head=stream.head, body=bytes(body))
