"""A TCP proxy before an HTTP origin that breaks, delays or falsifies responses: a script lists a fault a connection."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from attrs import frozen

_HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 256 * 1024
_TRICKLED_BYTES: Final = 2000
_STALL_SECONDS: Final = 30.0  # ends as soon as the client gives up
_PATIENCE_SECONDS: Final = 30.0

Break: TypeAlias = Literal["none", "cut", "reset", "half-close", "stall", "pause", "trickle", "delay", "garbage"]
Lie: TypeAlias = Literal[
    "none", "403", "404", "500", "503", "416", "no ranges", "range of another place", "range without total",
    "range unreadable", "shorter range", "weak tag", "no tag",
]  # fmt: skip

_REASONS: Final = {
    "403": "Forbidden",
    "404": "Not Found",
    "416": "Range Not Satisfiable",
    "500": "Error",
    "503": "Busy",
}


@frozen
class Fault:
    """The fault of one connection.

    Attributes:
        kind: What happens to its bytes. "stall" ends when the client gives up, "pause" after `seconds` at the latest.
        in_body: Whether `after` counts from the start of the first response's body, instead of its head.
        after: How many bytes of the response pass before the fault.
        lie: What the response to the first request states wrongly.
        seconds: How long a pause or a delay takes.
    """

    kind: Break = "none"
    in_body: bool = True
    after: int = 0
    lie: Lie = "none"
    seconds: float = 0.02


_NO_FAULT: Final = Fault()


class _HungUp(Exception):  # noqa: N818 - it is part of the script
    """Ends a connection, as the script demands."""


class FaultProxy:
    """Listens on loopback and forwards to `origin`; see `Fault`.

    Attributes:
        url: The proxy's own origin.
        script: The faults of the next connections; later ones have none.
        lies: What every connection states wrongly, besides its script.
        tally: How often each fault has actually happened.
    """

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self._listening = socket.create_server((_HOST, 0), backlog=128)
        self.url = f"http://{_HOST}:{self._listening.getsockname()[1]}"
        self.script: deque[Fault] = deque()
        self.lies: tuple[Lie, ...] = ()
        self.tally: Counter[str] = Counter()
        self._hooks: list[tuple[int, Callable[[], object]]] = []
        self._passed = 0
        self._lock = threading.Lock()
        self._connections: set[_Connection] = set()
        self._accepting = threading.Thread(target=self._accept, name="fault proxy", daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._accepting.join()
        self._listening.close()
        self.drop()

    def play(
        self,
        script: Iterable[Fault] = (),
        *,
        lies: tuple[Lie, ...] = (),
        hooks: Iterable[tuple[int, Callable[[], object]]] = (),
    ) -> None:
        """Set the faults of the next connections, and functions to call once so many bytes of bodies have passed."""
        with self._lock:
            self.script, self.lies = deque(script), lies
            self._hooks, self._passed = sorted(hooks, key=lambda hook: hook[0]), 0

    def drop(self) -> None:
        """Cut all connections, and wait until they have ended."""
        for connection in tuple(self._connections):
            connection.hang_up()
        for connection in tuple(self._connections):
            connection.join(_PATIENCE_SECONDS)
            assert not connection.is_alive(), "a connection of the proxy has not ended"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                fault = self.script.popleft() if self.script else _NO_FAULT
                connection = _Connection(self, client, fault, self.lies)
                connection.start()
                self._connections.add(connection)

    def _done(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.discard(connection)

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._upstream)

    def _count(self, what: str) -> None:
        with self._lock:
            self.tally[what] += 1

    def _pass(self, count: int) -> None:
        with self._lock:
            self._passed += count
            due = [hook for at, hook in self._hooks if at <= self._passed]
            self._hooks = [(at, hook) for at, hook in self._hooks if at > self._passed]
        for hook in due:
            hook()


class _Connection(threading.Thread):
    """One connection."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, fault: Fault, lies: tuple[Lie, ...]) -> None:
        super().__init__(name="fault proxy's connection", daemon=True)
        self._proxy = proxy
        self._client = client
        self._fault = fault
        self._lies = {*lies, fault.lie} - {"none"}
        self._sent = 0  # bytes of the answers
        self._fault_at: int | None = None
        if fault.kind != "none" and not fault.in_body:
            self._fault_at = fault.after

    def hang_up(self) -> None:
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            with self._client, suppress(OSError, _HungUp):
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._serve()
        finally:
            self._proxy._done(self)

    def _serve(self) -> None:
        if self._fault_at == 0 and self._fault.kind in {"cut", "reset", "half-close", "garbage"}:
            self._break()  # before the request is read
        request = self._head_from(self._client)
        canned = self._lies & _REASONS.keys()
        if canned:
            self._answer(min(canned))
            return
        with self._proxy._connect() as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(self._falsified_request(request))
            head, body = self._split(self._head_from(server))
            head = self._falsified_answer(head)
            if self._fault.kind != "none" and self._fault.in_body:
                self._fault_at = len(head) + self._fault.after
            self._deliver(head)
            self._deliver_body(body)
            self._pump(server)

    def _pump(self, server: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([server, self._client], [], [])
            if server in ready:
                data = server.recv(_PIECE_BYTES)
                if not data:
                    return
                self._deliver_body(data)
            elif self._client in ready:
                data = self._client.recv(_PIECE_BYTES)
                if not data:
                    return
                server.sendall(data)

    def _deliver_body(self, data: bytes) -> None:
        if data:
            self._proxy._pass(len(data))
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        if self._fault_at is not None and self._sent + len(data) >= self._fault_at:
            room = self._fault_at - self._sent
            self._client.sendall(data[:room])
            self._sent += room
            data = data[room:]
            self._fault_at = None
            data = self._break(data)
        self._client.sendall(data)
        self._sent += len(data)

    def _break(self, data: bytes = b"") -> bytes:
        """Apply the fault; return the bytes that are still to be sent."""
        kind = self._fault.kind
        self._proxy._count(kind)
        self._fault_at = None
        if kind == "reset":
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _HungUp
        if kind == "cut":
            self._client.shutdown(socket.SHUT_RDWR)
            raise _HungUp
        if kind == "half-close":
            self._client.shutdown(socket.SHUT_WR)
            self._await_the_end(_STALL_SECONDS)
            raise _HungUp
        if kind == "garbage":
            if self._sent == 0:
                self._client.sendall(b"\x00\xff SSH-2.0 not HTTP\r\n\r\n")
            raise _HungUp
        if kind == "stall":
            self._await_the_end(_STALL_SECONDS)
        elif kind in {"pause", "delay"}:
            self._await_the_end(self._fault.seconds)
        elif kind == "trickle":
            step, position = 1, 0
            while position < min(len(data), _TRICKLED_BYTES):
                self._client.sendall(data[position : position + step])
                position += step
                step = step % 7 + 1
            data = data[position:]
        return data

    def _await_the_end(self, seconds: float) -> None:
        """Wait until the client closes the connection, or for so many seconds."""
        if not select.select([self._client], [], [], seconds)[0]:
            return
        if not self._client.recv(1, socket.MSG_PEEK):  # otherwise it is the next request
            raise _HungUp

    def _head_from(self, source: socket.socket) -> bytes:
        """Return the bytes up to the end of a head, and those that arrived with it."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = source.recv(_PIECE_BYTES)
            if not piece:
                raise _HungUp
            data += piece
        return data

    @staticmethod
    def _split(data: bytes) -> tuple[bytes, bytes]:
        at = data.index(b"\r\n\r\n") + 4
        return data[:at], data[at:]

    def _answer(self, status: str) -> None:
        self._proxy._count(status)
        body = b"<Error><Code>Scripted</Code></Error>"
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
        )
        self._deliver(head.encode() + b"Connection: close\r\n\r\n")
        self._deliver(body)

    def _falsified_request(self, data: bytes) -> bytes:
        if not self._lies:
            return data
        lines = self._split(data)[0].split(b"\r\n")[:-2]
        if "no ranges" in self._lies:
            kept = [line for line in lines if not line.lower().startswith((b"range:", b"if-range:"))]
            if len(kept) < len(lines):
                self._proxy._count("no ranges")
            lines = kept
        if "shorter range" in self._lies:
            lines = [self._shortened(line) for line in lines]
        # One exchange a connection, because only the first head is parsed.
        lines = [line for line in lines if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([*lines, b"Connection: close", b"", b""])

    def _shortened(self, line: bytes) -> bytes:
        name, _, value = line.partition(b": ")
        if name.lower() != b"range":
            return line
        self._proxy._count("shorter range")
        start, _, last = value.removeprefix(b"bytes=").partition(b"-")
        first = int(start)
        return b"range: bytes=%d-%d" % (first, first + (int(last) - first) // 2 if last else first + 70_000)

    def _falsified_answer(self, head: bytes) -> bytes:
        if not self._lies:
            return head
        lines = []
        for line in head.split(b"\r\n")[:-2]:
            name, _, value = line.partition(b": ")
            stated = self._falsified_field(name.lower(), value)
            if stated != value:
                self._proxy._count(next(iter(sorted(self._lies & _LIES_OF.get(name.lower(), set())))))
            if stated is not None:
                lines.append(line if stated == value else name + b": " + stated)
        return b"\r\n".join([*lines, b"", b""])

    def _falsified_field(self, name: bytes, value: bytes) -> bytes | None:
        if name == b"etag" and "no tag" in self._lies:
            return None
        if name == b"etag" and "weak tag" in self._lies:
            return b"W/" + value
        if name == b"content-range" and "range unreadable" in self._lies:
            return b"bytes some-of/them"
        if name == b"content-range" and "range without total" in self._lies:
            return value.partition(b"/")[0] + b"/*"
        if name == b"content-range" and "range of another place" in self._lies:
            span, _, total = value.removeprefix(b"bytes ").partition(b"/")
            start, _, last = span.partition(b"-")
            shift = 1 if int(start) == 0 else -1
            return b"bytes %d-%d/%s" % (int(start) + shift, max(int(last) + shift, int(start) + shift), total)
        return value


_LIES_OF: Final[dict[bytes, set[Lie]]] = {
    b"etag": {"no tag", "weak tag"},
    b"content-range": {"range unreadable", "range without total", "range of another place"},
}
