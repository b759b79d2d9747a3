"""The I/O port: all that the core asks of the world outside, and the values that pass through it."""

from __future__ import annotations

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
"""No answer that is read whole may be larger: that is some 75,000 jobs."""


@frozen(kw_only=True)
class Request:
    """One exchange to be made.

    Attributes:
        method: The HTTP method.
        url: The absolute URL; a secret, for it may be signed.
        headers: What to send beyond the port's own headers.
        timeout: Seconds for the whole exchange; where the body is streamed, up to its head, and for each read after it.
        to_storage: Whether it goes to the storage: then nothing of the account may go along.
    """

    method: str
    url: Secret
    headers: Mapping[str, str] = field(factory=dict)
    timeout: float
    to_storage: bool = False


@frozen(kw_only=True)
class Head:
    """Status and headers of an answer.

    Attributes:
        status_code: The HTTP status, of any value.
        headers: The header fields, names in lower case; `Location` is kept apart.
        location: The `Location` field, which may be signed.
        received_at: When the head arrived, by this machine's clock.
    """

    status_code: int
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    location: Secret | None = None
    received_at: datetime


@frozen(kw_only=True)
class Response:
    """An answer with its whole body, decoded as `Content-Encoding` says."""

    head: Head
    body: bytes = field(repr=False)


class Stream(Protocol):
    """An answer whose body is still to be read, either by `chunk` or by `copy_to`. Close it, however it ends."""

    @property
    def head(self) -> Head:
        """Status and headers."""
        ...

    @property
    def deadline(self) -> float:
        """When it must have ended if it is read whole, on the machine's own clock: virtual time may run ahead of it."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the body, decoded as `Content-Encoding` says; b"" at its end."""
        ...

    async def copy_to(self, write: Write, limit: int) -> int:
        """Hand on the next bytes of the body as fast as the machine can, without copies of its own.

        Args:
            write: Called with each piece in turn, perhaps in another thread; the piece is gone when it returns.
            limit: About how many bytes to hand on before returning; it may also return after a moment.

        Returns:
            How many bytes were handed on; 0 at the end of the body.

        Raises:
            TransportError: The body broke off, before `Content-Length` too.
        """
        ...

    def abort(self) -> None:
        """Make whoever reads it in another thread stop, at once."""

    async def aclose(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""


class Transport(Protocol):
    """The world outside: blocking, asynchronous, or simulated with a virtual clock."""

    async def send(self, request: Request) -> Response:
        """Make one exchange, whole.

        Raises:
            TransportError: No answer, or a broken one.
            UnexpectedResponseError: The body is larger than any list of jobs.
        """
        ...

    async def stream(self, request: Request) -> Stream:
        """Make one exchange up to the head of its answer.

        Raises:
            TransportError: No answer.
        """
        ...

    async def whole(self, stream: Stream, request: Request) -> Response:
        """Read an open answer to its end, and close it.

        Raises:
            TransportError: It broke off.
            RequestTimeoutError: It took longer than the request's timeout, though every single read was quick.
            UnexpectedResponseError: It is larger than any list of jobs.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Let that much time pass."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def run(self, function: Callable[[], T]) -> T:
        """Call a function that blocks on the disk, without holding up anything else."""
        ...

    def lock(self) -> AbstractAsyncContextManager[object]:
        """A lock for tasks that run side by side: `async with`, the others wait."""
        ...

    async def run_many(
        self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
    ) -> None:
        """Run tasks side by side, each in a thread or a task of its own, until all have ended.

        Args:
            tasks: Functions that make the coroutines.
            stop: Called once, when one has failed or we are interrupted, to make the others end soon. A task may itself
                run many: they are stopped with it.

        Raises:
            BaseException: What the first one to fail raised, after all have ended.
        """


async def read_whole(stream: Stream, request: Request, *, limit: float = MAX_BODY_BYTES) -> Response:
    """Read an answer to its end and close it, unless it has more than `limit` bytes; see `Transport.whole`."""
    body = bytearray()
    try:
        while chunk := await stream.read():
            body += chunk
            if len(body) > limit:
                body.clear()  # else the error's traceback holds it
                raise UnexpectedResponseError(
                    f"{request.method} {request.url}: the answer exceeds {limit} bytes. List fewer days at once.",
                    status_code=stream.head.status_code,
                )
    finally:
        await stream.aclose()
    return Response(head=stream.head, body=bytes(body))
