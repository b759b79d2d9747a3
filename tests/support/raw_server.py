"""A server on loopback that sends exactly the bytes of the test, for responses that no correct server sends."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from attrs import define, field, frozen

_HOST: Final = "127.0.0.1"
_LONGEST_HEAD: Final = 64 * 1024
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")

_OK, _PARTIAL = 200, 206


@frozen(kw_only=True)
class Asked:
    """A request as it arrived.

    Attributes:
        connection: The number of its connection, from 1.
        target: The request target, usually a path.
        headers: The header fields by lower-case name.
        over: Set when the server stops, for bodies that stall until then.
    """

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    over: threading.Event = field(factory=threading.Event, repr=False)


@frozen(kw_only=True)
class Reply:
    """A response, sent as it is.

    Attributes:
        headers: The header fields, in latin-1. No fields are added; a tuple repeats a field.
        body: The body; an iterable is sent piece by piece.
        ends: Close the connection afterwards.
        pause: Seconds before each byte of the head.
    """

    status: int = _OK
    headers: Mapping[str, str | tuple[str, ...]] = field(factory=dict)
    body: bytes | Iterable[bytes] = b""
    ends: bool = False
    pause: float = 0.0

    def head(self) -> bytes:
        fields = [
            f"{name}: {value}\r\n"
            for name, values in self.headers.items()
            for value in (values if isinstance(values, tuple) else (values,))
        ]
        return f"HTTP/1.1 {self.status} Scripted\r\n{''.join(fields)}\r\n".encode("latin-1")

    def pieces(self, asked: Asked) -> Iterator[bytes]:
        """Yield the head and the body, as they are sent."""
        yield from trickled(self.head(), asked, self.pause) if self.pause else (self.head(),)
        yield from (self.body,) if isinstance(self.body, bytes) else self.body


Answer = Callable[[Asked], Reply]


@define
class RawServer:
    """A running server; see `serving`.

    Attributes:
        url: Its origin.
        asked: All requests, oldest first.
        connections: How many connections were made.
    """

    url: str
    asked: list[Asked] = field(factory=list)
    connections: int = 0
    _answer: Answer = field(kw_only=True)
    _tls: ssl.SSLContext | None = field(kw_only=True)
    _over: threading.Event = field(factory=threading.Event, init=False)
    _sockets: list[socket.socket] = field(factory=list, init=False)
    _threads: list[threading.Thread] = field(factory=list, init=False)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                found, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(found)
            thread = threading.Thread(target=self._serve, args=(found, self.connections), name="raw connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        # The client notices if a connection breaks.
        with suppress(OSError), plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                self._converse(plain, number)
                return
            with self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as found:
                self._sockets.append(found)  # before the handshake, which a client may never complete
                found.do_handshake()
                self._converse(found, number)

    def _converse(self, found: socket.socket, number: int) -> None:
        while asked := read_request(found, number, self._over):
            self.asked.append(asked)
            reply = self._answer(asked)
            for piece in reply.pieces(asked):
                found.sendall(piece)
            if reply.ends:
                return

    def _end(self) -> None:
        self._over.set()
        for found in self._sockets:
            with suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@contextmanager
def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Answer every request with what `answer` makes of it; a thread a connection."""
    with socket.create_server((_HOST, 0)) as listening:
        url = f"{'https' if tls else 'http'}://{_HOST}:{listening.getsockname()[1]}"
        server = RawServer(url, answer=answer, tls=tls)
        accepting = threading.Thread(target=server._accept, args=(listening,), name="raw server")
        accepting.start()
        try:
            yield server
        finally:
            server._over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            server._end()


def trickled(data: bytes, asked: Asked, pause: float) -> Iterator[bytes]:
    """Yield the bytes one by one, each after a pause in seconds until the server stops."""
    for byte in data:
        asked.over.wait(pause)
        yield bytes([byte])


def read_request(found: socket.socket, connection: int, over: threading.Event) -> Asked | None:
    """Read the head of a request without a body; return None at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = found.recv(_LONGEST_HEAD)
        head += piece
        if not piece or len(head) > _LONGEST_HEAD:
            return None
    first, *fields = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in fields)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Asked(connection=connection, method=method, target=target, headers=headers, over=over)


def storing(
    data: bytes, *, etag: str = '"v1"', serves_ranges: bool = True, headers: Mapping[str, str | tuple[str, ...]] = {}
) -> Answer:
    """Respond as a storage that returns `data` for every path."""

    def answer(asked: Asked) -> Reply:
        stated = {"Content-Type": "text/csv"} | ({"ETag": etag} if etag else {}) | dict(headers)
        found = _RANGE.fullmatch(asked.headers.get("range", "")) if serves_ranges else None
        if serves_ranges:
            stated["Accept-Ranges"] = "bytes"
        if found is None or asked.headers.get("if-range", etag) != etag:
            return Reply(headers={"Content-Length": str(len(data))} | stated, body=data)
        start, stop = int(found[1]), min(int(found[2] or len(data)) + 1, len(data))
        stated |= {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "Content-Length": str(stop - start)}
        return Reply(status=_PARTIAL, headers=stated, body=data[start:stop])

    return answer
