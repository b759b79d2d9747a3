"""The transport protocol: everything that the operations need from the outside world, and the values they exchange."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from attrs import field, frozen

from impact_jobs._redaction import Secret
from impact_jobs.errors import UnexpectedResponseError

T = TypeVar("T")
Write: TypeAlias = Callable[[bytes | memoryview], None]

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The largest body that is read into memory: a list of some 75,000 jobs."""


@frozen(kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        url: The absolute URL; a secret, because it may be signed.
        headers: Headers to send besides the transport's own.
        timeout: Seconds for the whole exchange. If the body is streamed: up to the head, and then for each read.
        to_storage: The request goes to the storage, so it must not carry anything of the account.
        is_download: The body may be a result of any size.
    """

    method: str
    url: Secret
    headers: Mapping[str, str] = field(factory=dict)
    content: bytes = field(default=b"", repr=False)
    timeout: float
    to_storage: bool = False
    is_download: bool = False


@frozen(kw_only=True)
class Head:
    """Status and headers of a response.

    Attributes:
        headers: The header fields by lower-case name, without `Location`.
        location: The `Location` field, which may be signed.
        received_at: When the head arrived, by the local clock.
    """

    status_code: int
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    location: Secret | None = None
    received_at: datetime


@frozen(kw_only=True)
class Response:
    """A response with its whole body, decoded as `Content-Encoding` states."""

    head: Head
    body: bytes = field(repr=False)


class Stream(Protocol):
    """An open response. Read its body with either `read` or `copy_to`, then close it, even after an error."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    @property
    def deadline(self) -> float:
        """When the timeout of the whole exchange ends: seconds of `time.monotonic`, even under a virtual clock."""
        ...

    async def read(self, deadline: float = math.inf) -> bytes:
        """Return the next bytes of the body, decoded as `Content-Encoding` states; b"" at its end.

        Args:
            deadline: When to give up, in seconds of `time.monotonic`, if that is before the timeout of one read.

        Raises:
            TransportError: The body broke off, or did not continue in time.
        """
        ...

    async def copy_to(self, write: Write, limit: int) -> int:
        """Pass the next bytes of the body to `write`, with as few copies as possible.

        Args:
            write: Called with each piece, perhaps in another thread; the piece is invalid once it returns.
            limit: About how many bytes to copy. The call also returns after a quarter of a second or so.

        Returns:
            How many bytes were copied; 0 at the end of the body.

        Raises:
            TransportError: The body broke off, or did not continue in time.
        """
        ...

    def abort(self) -> None:
        """Make a read that blocks in another thread fail at once."""

    async def aclose(self) -> None:
        """Return the connection to its pool, or close it if the body was not read to its end."""


class Transport(Protocol):
    """The outside world: blocking, asynchronous, or simulated with a virtual clock."""

    async def open(self, request: Request) -> Stream:
        """Send a request and return the response as soon as its head has arrived.

        Raises:
            TransportError: No response arrived, or a malformed one.
        """
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

        Args:
            tasks: Functions that create the coroutines.
            stop: Called once if a task fails or the caller is interrupted; it must make the other tasks end soon. A
                task may call `run_many` itself: its tasks are stopped, too.

        Raises:
            BaseException: The first task's failure, after all tasks have ended.
        """


async def read_all(stream: Stream, request: Request, *, is_limited: bool = True) -> Response:
    """Read a response to its end, within the deadline of its exchange, and close it.

    Args:
        stream: The open response.
        request: What it responds to.
        is_limited: Whether deadline and `MAX_BODY_BYTES` apply.

    Raises:
        TransportError: The body broke off.
        RequestTimeoutError: The exchange exceeded the request's timeout, however short each single read was.
        UnexpectedResponseError: The body is larger than any list of jobs.
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
