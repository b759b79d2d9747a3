"""A proxy's connection to a client. It can corrupt any byte on the wire, inside TLS records too."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from typing import Final

from attrs import define, field

_READ_BYTES: Final = 256 * 1024
_TLS_HANDSHAKE: Final = 0x16
_HIGH_BIT: Final = 0x80


class ClientGoneError(Exception):
    """The client has closed the connection, or the proxy has cut it."""


@define
class ClientConnection:
    """A connection to a client, encrypted if the client began with a TLS handshake."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _received: bytearray = field(factory=bytearray)
    _tls: ssl.SSLObject | None = None
    _incoming: ssl.MemoryBIO = field(factory=ssl.MemoryBIO)
    _outgoing: ssl.MemoryBIO = field(factory=ssl.MemoryBIO)

    @property
    def is_tls(self) -> bool:
        return self._tls is not None

    async def start(self, context: ssl.SSLContext) -> None:
        self._writer.transport.set_write_buffer_limits(high=0)  # `drain` then waits until all bytes are sent
        if not self._received:
            self._received += await self._read_raw()
        if self._received[0] != _TLS_HANDSHAKE:
            return
        first = bytes(self._received)
        self._received.clear()
        self._incoming.write(first)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._read_raw())
        await self._flush()

    async def read_request(self) -> bytes:
        """Read the head of a request; our clients' requests have no bodies."""
        while b"\r\n\r\n" not in self._received:
            self._received += await self._read()
        end = self._received.index(b"\r\n\r\n") + 4
        head = bytes(self._received[:end])
        del self._received[:end]
        return head

    async def send(self, data: bytes) -> None:
        await self._send_raw(self._encrypt(data))

    async def send_twice(self, data: bytes) -> None:
        await self._send_raw(self._encrypt(data) * 2)

    async def send_corrupted(self, data: bytes) -> None:
        raw = self._encrypt(data)
        await self._send_raw(raw[:-1] + bytes([raw[-1] ^ _HIGH_BIT]))

    async def send_half_a_record(self) -> None:
        raw = self._encrypt(b"\0" * 100)
        await self._send_raw(raw[:50])

    async def pause(self, seconds: float) -> None:
        """Wait, and raise `ClientGoneError` if the client closes the connection meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    data = await self._read_raw()
                    # This is the next request, or a TLS closure alert.
                    if self._tls is None:
                        self._received += data
                    else:
                        self._incoming.write(data)

    def reset_on_close(self) -> None:
        """Make `close` send a TCP reset."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._writer.transport.abort()

    async def _read(self) -> bytes:
        if self._tls is None:
            return await self._read_raw()
        while True:
            try:
                if data := self._tls.read(_READ_BYTES):
                    return data
                raise ClientGoneError
            except ssl.SSLWantReadError:
                self._incoming.write(await self._read_raw())

    async def _read_raw(self) -> bytes:
        if data := await self._reader.read(_READ_BYTES):
            return data
        raise ClientGoneError

    def _encrypt(self, data: bytes) -> bytes:
        if self._tls is None or not data:
            return data
        self._tls.write(data)
        return self._outgoing.read()

    async def _flush(self) -> None:
        await self._send_raw(self._outgoing.read())

    async def _send_raw(self, data: bytes) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()
