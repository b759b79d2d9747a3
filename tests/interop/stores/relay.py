"""A relay between client and store that records requests, counts bytes, and cuts connections on command."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from attrs import field, frozen

from tests.interop.processes import HOST

_CHUNK = 64 * 1024


@frozen(kw_only=True)
class RecordedRequest:
    """A request as it was sent to the store.

    Attributes:
        line: Its request line.
        headers: Its headers by lower-case name.
        raw: Its bytes.
    """

    line: str
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> RecordedRequest:
        line, *fields = raw.decode("latin-1").split("\r\n")
        pairs = (text.partition(":") for text in fields)
        return cls(line=line, headers={name.lower(): value.strip() for name, _, value in pairs}, raw=raw)


class Relay:
    """Listens on loopback, and connects each client to the store.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(self, store_port: int) -> None:
        self._store_port = store_port
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self._received: list[bytearray] = []
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
        _close(self._server)
        self._threads[0].join()
        with self._lock:
            ends = list(self._open)
        for end in ends:
            _close(end)
        for thread in self._threads[1:]:
            thread.join()

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests of the client, in order of their connections."""
        with self._lock:
            heads = [head for bytes_ in self._received for head in bytes(bytes_).split(b"\r\n\r\n") if head]
        return tuple(RecordedRequest.parse(head) for head in heads)

    @property
    def carried(self) -> int:
        """How many bytes the store has sent, including headers."""
        with self._lock:
            return self._carried

    def reset(self) -> None:
        """Forget all requests and bytes so far."""
        with self._lock:
            self._carried = 0
            for bytes_ in self._received:
                bytes_.clear()

    def cut_next(self, after: int) -> None:
        """Cut the next connection after so many bytes from the store."""
        self._cuts.append(after)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        store = socket.create_connection((HOST, self._store_port))
        received = bytearray()
        limit = self._cuts.popleft() if self._cuts else None
        pumps = [
            threading.Thread(target=self._forward_requests, args=(client, store, received), daemon=True),
            threading.Thread(target=self._forward_responses, args=(store, client, limit), daemon=True),
        ]
        with self._lock:
            self._received.append(received)
            self._open += [client, store]
        self._threads += pumps
        for pump in pumps:
            pump.start()

    def _forward_requests(self, client: socket.socket, store: socket.socket, received: bytearray) -> None:
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                with self._lock:
                    received += data
                store.sendall(data)
        _close(client)
        _close(store)

    def _forward_responses(self, store: socket.socket, client: socket.socket, limit: int | None) -> None:
        with suppress(OSError):
            while data := store.recv(_CHUNK if limit is None else min(_CHUNK, limit)):
                client.sendall(data)
                with self._lock:
                    self._carried += len(data)
                if limit is not None:
                    limit -= len(data)
                    if not limit:
                        break
        _close(store)
        _close(client)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
