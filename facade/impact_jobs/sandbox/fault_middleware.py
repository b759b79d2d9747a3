"""The front door of both origins: record the request, then the canned answer or the true one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impact_jobs.sandbox.faults import CannedAnswer, Origin, RecordedRequest
from impact_jobs.sandbox.state import World

_log: Final = logging.getLogger("impact_jobs.sandbox")


class Front:
    """An ASGI application around an origin's own.

    Args:
        app: The origin's application.
        origin: Its name in the record.
        world: What the origins share.
    """

    def __init__(self, app: ASGIApp, *, origin: Origin, world: World) -> None:
        self._app = app
        self._origin: Origin = origin
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._answer(scope, receive, send)
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            # Told here, since uvicorn is silenced; it still answers 500, or hangs up when it is too late for that.
            _log.exception("the sandbox itself failed to answer %s %s", scope["method"], scope["path"])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = RecordedRequest.from_scope(scope, origin=self._origin, time=self._world.clock())
        self._world.log.add(request)
        canned = self._world.faults.take_answer(request)
        if canned is None:
            await self._app(scope, receive, send)
            return
        if canned.perform:
            await self._app(scope, receive, _discard)
        await _give(canned, scope=scope, receive=receive, send=send)


async def _discard(message: Message) -> None:
    """Be the `send` of an answer that nobody sees."""


async def _give(answer: CannedAnswer, *, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(answer.delay)
    if answer.status is None:
        await hang_up(scope, receive)
        return
    headers = {name.lower(): value for name, value in answer.headers.items()}
    # A stated length that the body does not reach is how a test asks for an answer that breaks off.
    stated = int(headers.setdefault("content-length", str(len(answer.body))))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    cut = len(answer.body) if stated > len(answer.body) else None
    await send_body(iter([answer.body]), scope=scope, receive=receive, send=send, cut=cut)


async def send_body(chunks: Iterator[bytes], *, scope: Scope, receive: Receive, send: Send, cut: int | None) -> None:
    """Send a body, the head of which is sent.

    Args:
        chunks: The body.
        scope: The request's scope.
        receive: The request's receive.
        send: The request's send.
        cut: Drop the connection after this many bytes, if the body has them; None to send it whole.
    """
    sent, transport = 0, _transport(scope)
    for chunk in chunks:
        piece = chunk if cut is None else chunk[: cut - sent]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        sent += len(piece)
        if sent == cut:
            await hang_up(scope, receive)
            return
        if transport.is_closing():  # the client went away; the rest would be made for nobody
            return
        await asyncio.sleep(0)  # a fast reader never makes `send` wait: let the other requests in
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection once everything sent so far is out."""
    _transport(scope).close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    """The connection under a request; `server.QuietProtocol` puts it there."""
    transport: asyncio.Transport = scope["state"]["transport"]
    return transport
