"""A server on loopback whose every byte is the test's: for what no well-behaved server sends."""

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

    Args:
        connection: The number of the connection that it came by, from 1.
        method: The HTTP method.
        target: What stands after it, a path as a rule.
        headers: By lower-case name.
        over: Is set when the server ends, for bodies that stall until then.
    """

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    over: threading.Event = field(factory=threading.Event, repr=False)


@frozen(kw_only=True)
class Reply:
    """An answer, sent as it stands.

    Args:
        status: The HTTP status.
        headers: The header fields, in latin-1. Nothing is added to them; a tuple repeats a field.
        body: The body; pieces are sent one by one, as they come.
        ends: Close the connection after it.
    """

    status: int = _OK
    headers: Mapping[str, str | tuple[str, ...]] = field(factory=dict)
    body: bytes | Iterable[bytes] = b""
    ends: bool = False

    def head(self) -> bytes:
        fields = [
            f"{name}: {value}\r\n"
            for name, values in self.headers.items()
            for value in (values if isinstance(values, tuple) else (values,))
        ]
        return f"HTTP/1.1 {self.status} As told\r\n{''.join(fields)}\r\n".encode("latin-1")


Answer = Callable[[Asked], Reply]


@define
class RawServer:
    """One that runs; see `serving`.

    Args:
        url: Its origin.
        asked: All requests, oldest first.
        connections: How many connections were made.
    """

    url: str
    asked: list[Asked] = field(factory=list)
    connections: int = 0
    _sockets: list[socket.socket] = field(factory=list, init=False)
    _threads: list[threading.Thread] = field(factory=list, init=False)


@contextmanager
def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Answer every request with what `answer` makes of it; a thread a connection."""
    listening = socket.create_server((_HOST, 0))
    server = RawServer(f"{'https' if tls else 'http'}://{_HOST}:{listening.getsockname()[1]}")

    over = threading.Event()

    def accept() -> None:
        while True:
            try:
                found, _ = listening.accept()
            except OSError:
                return
            server.connections += 1
            server._sockets.append(found)
            thread = threading.Thread(target=talk, args=(found, server.connections), name="raw connection")
            server._threads.append(thread)
            thread.start()

    def talk(plain: socket.socket, number: int) -> None:
        # Whatever happens to a connection is the client's to notice.
        with suppress(OSError), plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found = tls.wrap_socket(plain, server_side=True) if tls else plain
            server._sockets.append(found)
            with found:
                while asked := read_request(found, number, over):
                    server.asked.append(asked)
                    reply = answer(asked)
                    found.sendall(reply.head())
                    for piece in (reply.body,) if isinstance(reply.body, bytes) else reply.body:
                        found.sendall(piece)
                    if reply.ends:
                        return

    accepting = threading.Thread(target=accept, name="raw server")
    accepting.start()
    try:
        yield server
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listening.close()
        for found in server._sockets:
            with suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)
        for thread in server._threads:
            thread.join()


def read_request(found: socket.socket, connection: int, over: threading.Event) -> Asked | None:
    """Read the head of a request without a body; None when none comes."""
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
    """Answer as a storage does that holds `data` under whatever name."""

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
