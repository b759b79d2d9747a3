"""A proxy that breaks single exchanges, in plain and in TLS connections: for clients that live through many of them.

`tests.support.fault_proxy` breaks connections, the first exchange of each, of results of any size. Here connections are
kept, a fault meets the next exchange on whichever of them, and an answer is held whole, for results are small.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field, frozen

from tests.faults.faults import HungUpError, Line
from tests.faults.replay_oracle import Replayed

_HOST: Final = "127.0.0.1"
_PIECE: Final = 256 * 1024
_STALL_SECONDS: Final = 30.0  # ends as soon as the client gives up
_TRICKLED: Final = 24  # pieces: of a slow one, too, each comes within the time that a client grants for a read
_DUPLICATED: Final = 1000
_REPLAY: Final = re.compile(rb"PUT /\S*/Jobs/([0-9a-f-]{36})/Replay ")
_CALL: Final = re.compile(rb"(?i)\r\nx-call: ([^\r]*)")
CALL_HEADER: Final = "x-call"  # by which a client says which call of the test a request belongs to

Kind: TypeAlias = Literal["cut", "reset", "stall", "delay", "trickle", "duplicate", "corrupt"]
Place: TypeAlias = Literal["connection", "request", "answer", "head", "body", "end"]

PLACES: Final[dict[Kind, tuple[Place, ...]]] = {
    "cut": ("connection", "request", "answer", "head", "body", "end"),
    "reset": ("connection", "request", "answer", "head", "body", "end"),
    "stall": ("connection", "request", "answer", "head", "body"),
    "delay": ("connection", "request", "answer", "head", "body", "end"),
    "trickle": ("answer", "head", "body"),
    "duplicate": ("head", "body", "end"),
    "corrupt": ("head", "body"),
}


@frozen
class Fault:
    """What becomes of one exchange.

    Attributes:
        kind: What happens. A stall ends when the client gives up.
        place: Where: as the connection is made; when the request has come, before it is passed on; when it is carried
            out and nothing answered; in the answer's head or body; after its end.
        at: How far into the head or the body, from 0 to 1.
        seconds: How long a delay, or the whole of a trickle, takes.
    """

    kind: Kind
    place: Place
    at: float = 0.0
    seconds: float = 0.01

    @property
    def name(self) -> str:
        return f"{self.kind} {'in' if self.place in {'head', 'body'} else 'at'} {self.place}"


@define
class ExchangeProxy:
    """Listens on loopback, for plain and TLS alike, and passes on to `origin`; see `Fault`.

    What could not be noticed by anybody is not done: a plain connection's body is duplicated and corrupted only where
    it is JSON, or a result whose checksum was stated and will be looked at; of a head, not the line that states it.
    Bytes are corrupted in their highest bit, which no header that matters, and no JSON of ours, can have.

    Attributes:
        origin: The origin's URL; may be changed.
        tls: The certificate.
        verifies: Whether the client will compare results with their checksums.
        replays: What became of the replays, by the origin's own word.
        tally: How often each fault has really happened.
        spoilt: How many bodies of results were duplicated or corrupted.
        port: Where it listens.
    """

    origin: str
    tls: ssl.SSLContext
    verifies: bool = True
    replays: list[Replayed] = field(factory=list)
    tally: Counter[str] = field(factory=Counter)
    spoilt: int = 0
    port: int = 0
    _faults: deque[Fault] = field(factory=deque)
    _at_connection: deque[Fault] = field(factory=deque)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop)
    _over: asyncio.Event = field(factory=asyncio.Event)
    _ready: threading.Event = field(factory=threading.Event)
    _talks: set[asyncio.Task[None]] = field(factory=set)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="exchange proxy", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def url(self, *, tls: bool) -> str:
        return f"{'https' if tls else 'http'}://{_HOST}:{self.port}"

    def play(self, faults: Iterable[Fault]) -> None:
        """Have these meet the connections and exchanges to come, each in turn, after those that are still to come."""
        for fault in faults:
            (self._at_connection if fault.place == "connection" else self._faults).append(fault)

    @property
    def pending(self) -> list[Fault]:
        """The faults still to come."""
        return [*self._at_connection, *self._faults]

    @property
    def is_busy(self) -> bool:
        """Whether there are any connections."""
        return bool(self._talks)

    def calm(self) -> None:
        """Honest again."""
        self._faults.clear()
        self._at_connection.clear()

    def drop(self) -> None:
        """Cut all connections, and wait until they are gone, and what they passed on is answered."""

        async def end() -> None:
            talks = set(self._talks)
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, _HOST, 0, limit=_PIECE)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        talk = asyncio.ensure_future(self._talk(line))
        self._talks.add(talk)

        def end(talk: asyncio.Task[None]) -> None:
            self._talks.discard(talk)
            line.close()

        talk.add_done_callback(end)  # not in the task itself, which may be cancelled before it begins

    async def _talk(self, line: Line) -> None:
        with suppress(HungUpError, OSError, ssl.SSLError):
            if self._at_connection:
                await self._meet(self._at_connection.popleft(), line)
            await line.begin(self.tls)
            while True:
                await self._exchange(line)

    async def _exchange(self, line: Line) -> None:
        request = await line.head()
        fault = self._faults.popleft() if self._faults else None
        if fault is not None and fault.place == "request":
            # Passed on late, be the client still there or not.
            await self._meet(fault, line, goes_on=fault.kind == "delay")
        # Carried out and recorded to its end, whatever becomes of the client.
        passing = asyncio.ensure_future(self._passed_on(request))
        try:
            head, body = await asyncio.shield(passing)
        except asyncio.CancelledError:
            await asyncio.gather(passing, return_exceptions=True)
            raise
        if line.is_tls:
            head = head.replace(b"location: http://", b"location: https://")
        if fault is None or fault.place == "request":
            await line.send(head + body)
        else:
            await self._answer(line, fault, head, body)

    async def _passed_on(self, request: bytes) -> tuple[bytes, bytes]:
        """The origin's answer, whole."""
        parts = urlsplit(self.origin)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            lines = [line for line in request.split(b"\r\n")[:-2] if not line.lower().startswith(b"connection:")]
            writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
            answer = await reader.read()
        finally:
            writer.transport.abort()
        if not answer:
            raise HungUpError
        head, _, body = answer.partition(b"\r\n\r\n")
        if replay := _REPLAY.match(request):
            call = _CALL.search(request)
            child = json.loads(body)["Id"] if head.startswith(b"HTTP/1.1 200") else None
            self.replays.append(Replayed(call[1].decode() if call else "", replay[1].decode(), child))
        return head.replace(b"\r\nconnection: close", b"") + b"\r\n\r\n", body

    async def _answer(self, line: Line, fault: Fault, head: bytes, body: bytes) -> None:
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
            await self._spoil(line, fault, data, at, head)
            return
        await line.send(data[:at])
        if fault.kind == "trickle":
            at = await self._trickle(line, fault, data, at)
        else:
            await self._meet(fault, line)
        await line.send(data[at:])

    async def _spoil(self, line: Line, fault: Fault, data: bytes, at: int, head: bytes) -> None:
        if fault.place == "end":  # the whole of it, twice
            at, piece = 0, data
        else:
            stated = head.find(b"x-amz-checksum")
            if 0 <= stated <= at <= head.find(b"\n", stated):
                at = 0
            piece = data[at : at + (_DUPLICATED if fault.kind == "duplicate" else 1)]
        is_in_result = b"application/json" not in head and at + len(piece) > len(head) and fault.place != "end"
        is_noticed = line.is_tls or not is_in_result or (b"x-amz-checksum" in head and self.verifies)
        if not piece or not is_noticed:
            await line.send(data)
            return
        self.tally[fault.name] += 1
        self.spoilt += is_in_result
        await line.send(data[:at])
        await (line.send_twice(piece) if fault.kind == "duplicate" else line.send_corrupted(piece))
        await line.send(data[at + len(piece) :])

    async def _trickle(self, line: Line, fault: Fault, data: bytes, at: int) -> int:
        self.tally[fault.name] += 1
        size = -(-(len(data) - at) // _TRICKLED)
        for _ in range(_TRICKLED):
            await line.send(data[at : at + size])
            at = min(at + size, len(data))
            await line.await_the_end(fault.seconds / _TRICKLED)
        return at

    async def _meet(self, fault: Fault, line: Line, *, goes_on: bool = False) -> None:
        self.tally[fault.name] += 1
        match fault.kind:
            case "cut":
                if line.is_tls and fault.place in {"head", "body"}:
                    await line.send_half_a_record()
                raise HungUpError
            case "reset":
                line.reset()
                raise HungUpError
            case "stall":
                await line.await_the_end(_STALL_SECONDS)
                raise HungUpError
            case _ if goes_on:
                await asyncio.sleep(fault.seconds)
            case _:
                await line.await_the_end(fault.seconds)


def all_faults() -> Iterator[tuple[Kind, Place]]:
    """Every kind at every place that it makes sense at."""
    return ((kind, place) for kind, places in PLACES.items() for place in places)
