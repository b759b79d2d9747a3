"""Records every request to a server, and responds with a queued fault if one matches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impact_jobs.sandbox._faults import CannedResponse, Origin, RecordedRequest
from impact_jobs.sandbox._state import SandboxState

_log: Final = logging.getLogger("impact_jobs.sandbox")


class FaultMiddleware:
    """An ASGI middleware around the API or the storage."""

    def __init__(self, app: ASGIApp, *, origin: Origin, state: SandboxState) -> None:
        self._app = app
        self._origin: Origin = origin
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        try:
            await self._respond(scope, receive, send)
        except Exception:  # noqa: BLE001 - any bug of the sandbox
            # uvicorn responds with 500, or closes the connection if the response has begun, but its log is disabled.
            _log.exception("the sandbox itself failed to answer %s %s", scope["method"], scope["path"])

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = RecordedRequest.from_scope(scope, origin=self._origin, time=self._state.clock())
        self._state.log.add(request)
        canned = self._state.faults.pop_response(request)
        if canned is None:
            await self._app(scope, receive, send)
            return
        if canned.perform:
            await self._app(scope, receive, _discard)
        await _send_canned(canned, scope=scope, receive=receive, send=send)


async def _discard(message: Message) -> None:
    """Drop a part of the real response, because a canned one replaces it."""


async def _send_canned(canned: CannedResponse, *, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(canned.delay)
    if canned.status is None:
        await close_connection(scope, receive)
        return
    headers = {name.lower(): value for name, value in canned.headers.items()}
    # A length above the body's is how a test asks for a truncated response.
    stated = int(headers.setdefault("content-length", str(len(canned.body))))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": canned.status, "headers": raw})
    cut = len(canned.body) if stated > len(canned.body) else None
    await send_body(iter([canned.body]), scope=scope, receive=receive, send=send, cut=cut)


async def send_body(chunks: Iterator[bytes], *, scope: Scope, receive: Receive, send: Send, cut: int | None) -> None:
    """Send the body of a response whose head has been sent; drop the connection after `cut` bytes, if that is given."""
    sent, transport = 0, _transport(scope)
    for chunk in chunks:
        part = chunk if cut is None else chunk[: cut - sent]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        sent += len(part)
        if sent == cut:
            await close_connection(scope, receive)
            return
        if transport.is_closing():  # the client has disconnected
            return
        await asyncio.sleep(0)  # lets other requests run, because `send` never suspends for a fast reader
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection once everything sent so far has left."""
    _transport(scope).close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    """Return the connection of a request, which `QuietProtocol` puts into the scope."""
    transport: asyncio.Transport = scope["state"]["transport"]
    return transport
