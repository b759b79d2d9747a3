"""A proxy that breaks single exchanges, over plain and TLS connections, between clients that make many calls.

`tests.support.fault_proxy` breaks connections: the first exchange of each, with results of any size. This proxy keeps
connections open, lets a fault meet the next exchange on any of them, and holds each response in memory, because the
results are small.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from attrs import define, field

from tests.faults.client_connection import ClientConnection, ClientGoneError
from tests.faults.faults import Fault
from tests.faults.replay_oracle import ReceivedReplay

_HOST: Final = "127.0.0.1"
_READ_BYTES: Final = 256 * 1024
_MAX_STALL_SECONDS: Final = 30.0  # the client gives up much earlier
_TRICKLE_PIECES: Final = 24  # so many that each arrives within a client's read timeout
_DUPLICATED_BYTES: Final = 1000
_REPLAY: Final = re.compile(rb"PUT /\S*/Jobs/([0-9a-f-]{36})/Replay ")
_CALL: Final = re.compile(rb"(?i)\r\nx-call: ([^\r]*)")
CALL_HEADER: Final = "x-call"  # carries the name of the test's call that a request belongs to


@define
class ExchangeProxy:
    """Listens on loopback for plain and TLS connections, and forwards requests to `origin`; see `Fault`.

    It skips faults that nobody could notice: over a plain connection it duplicates or corrupts a body only if that is
    JSON, or a result whose checksum the storage states and the client verifies; and it spares the header line that
    states the checksum. It corrupts the highest bit of a byte, which no header that matters and none of our JSON has
    set.

    Attributes:
        origin: The origin's URL; may be changed.
        tls: The server's TLS context.
        verifies: Whether the client compares results with their checksums.
        replays: The replay requests that the origin answered.
        tally: How often each fault has happened.
        damaged: How many result bodies it has duplicated or corrupted.
        port: The port that it listens on.
    """

    origin: str
    tls: ssl.SSLContext
    verifies: bool = True
    replays: list[ReceivedReplay] = field(factory=list)
    tally: Counter[str] = field(factory=Counter)
    damaged: int = 0
    port: int = 0
    _faults: deque[Fault] = field(factory=deque)
    _connection_faults: deque[Fault] = field(factory=deque)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop)
    _stopping: asyncio.Event = field(factory=asyncio.Event)
    _listening: threading.Event = field(factory=threading.Event)
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="exchange proxy", daemon=True)
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def url(self, *, tls: bool) -> str:
        return f"{'https' if tls else 'http'}://{_HOST}:{self.port}"

    def play(self, faults: Iterable[Fault]) -> None:
        """Queue faults for the next connections and exchanges, one each, behind those that are queued already."""
        for fault in faults:
            (self._connection_faults if fault.place == "connection" else self._faults).append(fault)

    @property
    def pending(self) -> list[Fault]:
        """The faults still queued."""
        return [*self._connection_faults, *self._faults]

    def clear_faults(self) -> None:
        self._faults.clear()
        self._connection_faults.clear()

    def drop(self) -> None:
        """Cut all connections, and wait until every forwarded request has been answered."""

        async def cancel_all() -> None:
            tasks = set(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel_all(), self._loop).result()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, _HOST, 0, limit=_READ_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stopping.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = ClientConnection(reader, writer)
        task = asyncio.ensure_future(self._serve_client(client))
        self._tasks.add(task)

        def close(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            client.close()

        task.add_done_callback(close)  # not in the task itself, which may be cancelled before it starts

    async def _serve_client(self, client: ClientConnection) -> None:
        with suppress(ClientGoneError, OSError, ssl.SSLError):
            if self._connection_faults:
                await self._apply(self._connection_faults.popleft(), client)
            await client.start(self.tls)
            while True:
                await self._exchange(client)

    async def _exchange(self, client: ClientConnection) -> None:
        request = await client.read_request()
        fault = self._faults.popleft() if self._faults else None
        if fault is not None and fault.place == "request":
            # A delayed request is forwarded even if the client has gone.
            await self._apply(fault, client, ignores_client=fault.kind == "delay")
        # Once forwarded, a request is carried out and recorded even if the client disconnects.
        forwarding = asyncio.ensure_future(self._forward(request))
        try:
            head, body = await asyncio.shield(forwarding)
        except asyncio.CancelledError:
            await asyncio.gather(forwarding, return_exceptions=True)
            raise
        if client.is_tls:
            head = head.replace(b"location: http://", b"location: https://")
        if fault is None or fault.place == "request":
            await client.send(head + body)
        else:
            await self._answer(client, fault, head, body)

    async def _forward(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request to the origin, and return the head and the body of its response."""
        parts = urlsplit(self.origin)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            lines = [line for line in request.split(b"\r\n")[:-2] if not line.lower().startswith(b"connection:")]
            writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
            response = await reader.read()
        finally:
            writer.transport.abort()
        if not response:
            raise ClientGoneError
        head, _, body = response.partition(b"\r\n\r\n")
        if replay := _REPLAY.match(request):
            call = _CALL.search(request)
            new_job = json.loads(body)["Id"] if head.startswith(b"HTTP/1.1 200") else None
            self.replays.append(ReceivedReplay(call[1].decode() if call else "", replay[1].decode(), new_job))
        return head.replace(b"\r\nconnection: close", b"") + b"\r\n\r\n", body

    async def _answer(self, client: ClientConnection, fault: Fault, head: bytes, body: bytes) -> None:
        data = head + body
        match fault.place:
            case "head":
                at = int(len(head) * fault.at)
            case "body":
                at = len(head) + int(len(body) * fault.at)
            case "end":
                at = len(data)
            case _:
                at = 0
        if fault.kind in {"duplicate", "corrupt"}:
            await self._damage(client, fault, data, at, head)
            return
        await client.send(data[:at])
        if fault.kind == "trickle":
            at = await self._trickle(client, fault, data, at)
        else:
            await self._apply(fault, client)
        await client.send(data[at:])

    async def _damage(self, client: ClientConnection, fault: Fault, data: bytes, at: int, head: bytes) -> None:
        """Duplicate or corrupt a part of the response, if the client can notice."""
        if fault.place == "end":  # the whole response twice
            at, piece = 0, data
        else:
            stated = head.find(b"x-amz-checksum")
            if 0 <= stated <= at <= head.find(b"\n", stated):
                at = 0
            piece = data[at : at + (_DUPLICATED_BYTES if fault.kind == "duplicate" else 1)]
        is_in_result = b"application/json" not in head and at + len(piece) > len(head) and fault.place != "end"
        is_noticed = client.is_tls or not is_in_result or (b"x-amz-checksum" in head and self.verifies)
        if not piece or not is_noticed:
            await client.send(data)
            return
        self.tally[fault.name] += 1
        self.damaged += is_in_result
        await client.send(data[:at])
        await (client.send_twice(piece) if fault.kind == "duplicate" else client.send_corrupted(piece))
        await client.send(data[at + len(piece) :])

    async def _trickle(self, client: ClientConnection, fault: Fault, data: bytes, at: int) -> int:
        self.tally[fault.name] += 1
        size = -(-(len(data) - at) // _TRICKLE_PIECES)
        for _ in range(_TRICKLE_PIECES):
            await client.send(data[at : at + size])
            at = min(at + size, len(data))
            await client.pause(fault.seconds / _TRICKLE_PIECES)
        return at

    async def _apply(self, fault: Fault, client: ClientConnection, *, ignores_client: bool = False) -> None:
        """Break or delay the connection at its present state."""
        self.tally[fault.name] += 1
        match fault.kind:
            case "cut":
                if client.is_tls and fault.place in {"head", "body"}:
                    await client.send_half_a_record()
                raise ClientGoneError
            case "reset":
                client.reset_on_close()
                raise ClientGoneError
            case "stall":
                await client.pause(_MAX_STALL_SECONDS)
                raise ClientGoneError
            case _ if ignores_client:
                await asyncio.sleep(fault.seconds)
            case _:
                await client.pause(fault.seconds)
