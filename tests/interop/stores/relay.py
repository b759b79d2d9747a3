"""A relay between client and store that hears every byte, counts, and cuts the connection on command."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from attrs import field, frozen

from tests.interop.stores.serving import HOST

_CHUNK = 64 * 1024


@frozen(kw_only=True)
class Heard:
    """A request as it went to the store.

    Attributes:
        line: Its request line.
        headers: Its headers, by their names in lower case.
        raw: All of it.
    """

    line: str
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)

    @classmethod
    def of(cls, raw: bytes) -> Heard:
        line, *fields = raw.decode("latin-1").split("\r\n")
        pairs = (text.partition(":") for text in fields)
        return cls(line=line, headers={name.lower(): value.strip() for name, _, value in pairs}, raw=raw)


class Relay:
    """Listens on loopback, and connects each caller to the store.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, store_port: int) -> None:
        self._store_port = store_port
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self._heard: list[bytearray] = []
        self._carried = 0
        self._cuts: deque[int] = deque()
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._server)
        self._threads[0].join()
        with self._lock:
            ends = list(self._open)
        for end in ends:
            _end(end)
        for thread in self._threads[1:]:
            thread.join()

    @property
    def requests(self) -> tuple[Heard, ...]:
        """What the client has sent, connection by connection."""
        with self._lock:
            heads = [head for bytes_ in self._heard for head in bytes(bytes_).split(b"\r\n\r\n") if head]
        return tuple(Heard.of(head) for head in heads)

    @property
    def carried(self) -> int:
        """How many bytes have come from the store, heads and all."""
        with self._lock:
            return self._carried

    def forget(self) -> None:
        """Begin to count, and to listen, anew."""
        with self._lock:
            self._carried = 0
            for bytes_ in self._heard:
                bytes_.clear()

    def cut_next(self, after: int) -> None:
        """Break the next connection off once it has carried so many bytes from the store."""
        self._cuts.append(after)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        store = socket.create_connection((HOST, self._store_port))
        heard = bytearray()
        room = self._cuts.popleft() if self._cuts else None
        pumps = [
            threading.Thread(target=self._listen, args=(client, store, heard), daemon=True),
            threading.Thread(target=self._answer, args=(store, client, room), daemon=True),
        ]
        with self._lock:
            self._heard.append(heard)
            self._open += [client, store]
        self._threads += pumps
        for pump in pumps:
            pump.start()

    def _listen(self, client: socket.socket, store: socket.socket, heard: bytearray) -> None:
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                with self._lock:
                    heard += data
                store.sendall(data)
        _end(client)
        _end(store)

    def _answer(self, store: socket.socket, client: socket.socket, room: int | None) -> None:
        with suppress(OSError):
            while data := store.recv(_CHUNK if room is None else min(_CHUNK, room)):
                client.sendall(data)
                with self._lock:
                    self._carried += len(data)
                if room is not None:
                    room -= len(data)
                    if not room:
                        break
        _end(store)
        _end(client)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
