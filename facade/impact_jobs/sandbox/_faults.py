"""Faults on request (canned responses, cut downloads), and the record of requests."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final, Literal

from attrs import Factory, converters, field, frozen, validators
from starlette.types import Scope

from impact_jobs.sandbox._numbers import positive, whole

_MOST_REQUESTS: Final = 100_000

Origin = Literal["api", "storage"]


@frozen(kw_only=True)
class RecordedRequest:
    """A request that the sandbox received.

    Args:
        origin: ``"api"`` or ``"storage"``.
        method: The HTTP method.
        path: The path, percent-decoded.
        query: The query as it was sent, without the question mark.
        headers: The headers by lower-case name; the values of a repeated header are joined with a comma.
        time: When it arrived, in epoch seconds of the sandbox's clock.

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
        """Build the record of a request from its ASGI scope.

        Args:
            scope: The scope of an HTTP request.
            origin: Which server received it, ``"api"`` or ``"storage"``.
            time: When it arrived, in epoch seconds of the sandbox's clock.

        Returns:
            The record.

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
        """The path with its query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@frozen(kw_only=True)
class CannedResponse:
    """A response that replaces the real one; `Sandbox.answer_next` documents its parts."""

    method: str
    path: str | re.Pattern[str]
    status: int | None = field(
        converter=converters.optional(whole),
        validator=validators.optional(validators.and_(validators.ge(200), validators.le(599))),
    )
    body: bytes
    headers: Mapping[str, str] = Factory(dict)
    delay: float = field(default=0.0, converter=positive)
    perform: bool = False

    def matches(self, request: RecordedRequest) -> bool:
        """Return whether the response is for this request."""
        if self.method.upper() != request.method:
            return False
        if isinstance(self.path, re.Pattern):
            return self.path.search(request.target) is not None
        return request.path.endswith(self.path)


class FaultQueue:
    """The faults that wait for a matching request, oldest first. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._responses: list[CannedResponse] = []
        self._cuts: deque[int] = deque()
        self._lock = threading.Lock()

    def add(self, response: CannedResponse, *, times: int) -> None:
        """Add a response for the next matching requests."""
        positive(times)
        with self._lock:
            self._responses += [response] * whole(times)

    def pop_response(self, request: RecordedRequest) -> CannedResponse | None:
        """Remove and return the oldest response that matches a request."""
        with self._lock:
            found = next((each for each in self._responses if each.matches(request)), None)
            if found is not None:
                self._responses.remove(found)
            return found

    def add_cut(self, after_bytes: int) -> None:
        """Cut the next result body after so many bytes."""
        with self._lock:
            self._cuts.append(whole(after_bytes))

    def pop_cut(self) -> int | None:
        """Remove and return the oldest cut, in bytes."""
        with self._lock:
            return self._cuts.popleft() if self._cuts else None


class RequestLog:
    """The most recent requests to both servers. Every method may be called from any thread."""

    def __init__(self) -> None:
        # Bounded, because a sandbox may run for weeks.
        self._requests: deque[RecordedRequest] = deque(maxlen=_MOST_REQUESTS)
        self._lock = threading.Lock()

    def add(self, request: RecordedRequest) -> None:
        """Record a request."""
        with self._lock:
            self._requests.append(request)

    def all(self) -> tuple[RecordedRequest, ...]:
        """Return the requests, oldest first."""
        with self._lock:
            return tuple(self._requests)

    def clear(self) -> None:
        """Empty the record."""
        with self._lock:
            self._requests.clear()
