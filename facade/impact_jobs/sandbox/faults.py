"""What goes wrong on request (canned answers, cut downloads), and the record of what was asked."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final, Literal

from attrs import Factory, field, frozen, validators
from starlette.types import Scope

_REMEMBERED: Final = 100_000

Origin = Literal["api", "storage"]


@frozen(kw_only=True)
class RecordedRequest:
    """A request as it arrived.

    Args:
        origin: ``"api"`` or ``"storage"``.
        method: The HTTP method.
        path: The path, percent-decoded.
        query: The query as sent, without its question mark.
        headers: The headers by lower-case name; values of a repeated one are joined with a comma.
        time: When, in epoch seconds of the sandbox's clock.

    Example:
        >>> RecordedRequest(origin="api", method="GET", path="/Jobs", query="", headers={}, time=0.0).target
        '/Jobs'
    """

    origin: Origin
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    time: float

    @classmethod
    def from_scope(cls, scope: Scope, *, origin: Origin, time: float) -> RecordedRequest:
        """Read a request from its ASGI scope.

        Args:
            scope: The scope of an HTTP request.
            origin: Which of the two origins it came to, ``"api"`` or ``"storage"``.
            time: When, in epoch seconds of the sandbox's clock.

        Returns:
            The request.

        Example:
            >>> scope = {"method": "GET", "path": "/a b", "query_string": b"Page=2", "headers": [(b"accept", b"*/*")]}
            >>> RecordedRequest.from_scope(scope, origin="api", time=0.0).target
            '/a b?Page=2'
        """
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return cls(
            origin=origin,
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            time=time,
        )

    @property
    def target(self) -> str:
        """Path and query as one."""
        return f"{self.path}?{self.query}" if self.query else self.path


@frozen(kw_only=True)
class CannedAnswer:
    """An answer given in place of the true one; `Sandbox.answer_next` says what each part means."""

    method: str
    path: str | re.Pattern[str]
    status: int | None = field(validator=validators.optional(validators.and_(validators.ge(200), validators.le(599))))
    body: bytes
    headers: Mapping[str, str] = Factory(dict)
    delay: float = 0.0
    perform: bool = False

    def matches(self, request: RecordedRequest) -> bool:
        """Whether the answer was meant for a request."""
        if self.method.upper() != request.method:
            return False
        if isinstance(self.path, re.Pattern):
            return self.path.search(request.target) is not None
        return request.path.endswith(self.path)


class Faults:
    """The faults that wait for their request, first in, first out; usable from any thread."""

    def __init__(self) -> None:
        self._answers: list[CannedAnswer] = []
        self._cuts: deque[int] = deque()
        self._lock = threading.Lock()

    def queue(self, answer: CannedAnswer, *, times: int) -> None:
        """Keep an answer for the next requests it matches."""
        with self._lock:
            self._answers += [answer] * times

    def take_answer(self, request: RecordedRequest) -> CannedAnswer | None:
        """Give, and forget, the oldest answer that a request matches."""
        with self._lock:
            found = next((answer for answer in self._answers if answer.matches(request)), None)
            if found is not None:
                self._answers.remove(found)
            return found

    def queue_cut(self, after_bytes: int) -> None:
        """Keep a cut for the next result body."""
        with self._lock:
            self._cuts.append(after_bytes)

    def take_cut(self) -> int | None:
        """Give, and forget, the oldest cut."""
        with self._lock:
            return self._cuts.popleft() if self._cuts else None


class RequestLog:
    """The newest requests of both origins, in order of arrival; usable from any thread."""

    def __init__(self) -> None:
        # Bounded, so that a sandbox left running for weeks stays small.
        self._requests: deque[RecordedRequest] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def add(self, request: RecordedRequest) -> RecordedRequest:
        """Record a request."""
        with self._lock:
            self._requests.append(request)
        return request

    def all(self) -> tuple[RecordedRequest, ...]:
        """Give the requests, oldest first."""
        with self._lock:
            return tuple(self._requests)

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._requests.clear()
