"""A proxy's connection to a client, whose every byte on the wire can be spoilt, in TLS too."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from typing import Final

from attrs import define, field

_PIECE: Final = 256 * 1024
_TLS_HANDSHAKE: Final = 0x16
_HIGH_BIT: Final = 0x80


class HungUpError(Exception):
    """The connection is over."""


@define
class Line:
    """A connection to a client: bytes in and out, sealed where it is a TLS one."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _come: bytearray = field(factory=bytearray)
    _tls: ssl.SSLObject | None = None
    _incoming: ssl.MemoryBIO = field(factory=ssl.MemoryBIO)
    _outgoing: ssl.MemoryBIO = field(factory=ssl.MemoryBIO)

    @property
    def is_tls(self) -> bool:
        return self._tls is not None

    async def begin(self, context: ssl.SSLContext) -> None:
        self._writer.transport.set_write_buffer_limits(high=0)  # `drain` is to mean what it says
        if not self._come:
            self._come += await self._raw()
        if self._come[0] != _TLS_HANDSHAKE:
            return
        first = bytes(self._come)
        self._come.clear()
        self._incoming.write(first)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._raw())
        await self._flush()

    async def head(self) -> bytes:
        """A request; those of ours have no bodies."""
        while b"\r\n\r\n" not in self._come:
            self._come += await self._more()
        end = self._come.index(b"\r\n\r\n") + 4
        found = bytes(self._come[:end])
        del self._come[:end]
        return found

    async def _more(self) -> bytes:
        if self._tls is None:
            return await self._raw()
        while True:
            try:
                if data := self._tls.read(_PIECE):
                    return data
                raise HungUpError
            except ssl.SSLWantReadError:
                self._incoming.write(await self._raw())

    async def _raw(self) -> bytes:
        if data := await self._reader.read(_PIECE):
            return data
        raise HungUpError

    def _sealed(self, data: bytes) -> bytes:
        if self._tls is None or not data:
            return data
        self._tls.write(data)
        return self._outgoing.read()

    async def send(self, data: bytes) -> None:
        await self._send_raw(self._sealed(data))

    async def send_twice(self, data: bytes) -> None:
        await self._send_raw(self._sealed(data) * 2)

    async def send_corrupted(self, data: bytes) -> None:
        raw = self._sealed(data)
        await self._send_raw(raw[:-1] + bytes([raw[-1] ^ _HIGH_BIT]))

    async def send_half_a_record(self) -> None:
        raw = self._sealed(b"\0" * 100)
        await self._send_raw(raw[:50])

    async def _flush(self) -> None:
        await self._send_raw(self._outgoing.read())

    async def _send_raw(self, data: bytes) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def await_the_end(self, seconds: float) -> None:
        """Let time pass, until the client is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    data = await self._raw()
                    # The next request, or how TLS says goodbye.
                    if self._tls is None:
                        self._come += data
                    else:
                        self._incoming.write(data)

    def reset(self) -> None:
        found: socket.socket = self._writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._writer.transport.abort()
