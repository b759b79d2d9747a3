"""A relay in front of the object store that holds an upload, so that a worker can be killed in the middle of it."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Final, Self

from tests.interop.processes import HOST

_CHUNK: Final = 64 * 1024
_SHARE: Final = 1024 * 1024  # how much of the held request passes


class UploadRelay:
    """Passes bytes on, except that one upload stops in the middle.

    Attributes:
        port: The port that it listens on.
        held: Set once the upload is held.
    """

    def __init__(self, store_port: int) -> None:
        self._store_port = store_port
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self.held = threading.Event()
        self._released = threading.Event()
        self._pattern: re.Pattern[bytes] | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._released.set()
        with self._lock:
            ends = [self._server, *self._open]
        for end in ends:
            _close(end)

    def hold(self, pattern: bytes) -> None:
        """Hold the next request whose head matches, after a part of its body."""
        with self._lock:
            self._pattern = re.compile(pattern)

    def release(self) -> None:
        """Drop the connection of the request that is held."""
        self._released.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                store = socket.create_connection((HOST, self._store_port))
                with self._lock:
                    self._open |= {client, store}
                for pass_on, source, sink in ((self._upload, client, store), (_pass_on, store, client)):
                    threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()

    def _upload(self, client: socket.socket, store: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(_CHUNK):
                store.sendall(chunk)
                if self._matches(chunk):
                    self._hold(client, store)
                    break
        _close(store)

    def _matches(self, chunk: bytes) -> bool:
        with self._lock:
            if self._pattern is None or not self._pattern.search(chunk):
                return False
            self._pattern = None
            return True

    def _hold(self, client: socket.socket, store: socket.socket) -> None:
        passed = 0
        while passed < _SHARE and (chunk := client.recv(_CHUNK)):
            store.sendall(chunk)
            passed += len(chunk)
        self.held.set()
        self._released.wait()
        _close(client)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    _close(sink)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
