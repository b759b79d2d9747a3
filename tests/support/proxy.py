"""A forward proxy on loopback, as companies use: it tunnels CONNECT and forwards plain http."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from attrs import define, field

_HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 256 * 1024


@define
class Proxy:
    """A running proxy; see `proxying`.

    Attributes:
        asked: Method and target of each request, oldest first.
        heads: The head of each request, as it arrived.
        user: The credentials that the proxy demands, "user:password", or "".
    """

    url: str = ""
    asked: list[str] = field(factory=list)
    heads: list[str] = field(factory=list)
    user: str = ""


@contextmanager
def proxying(*, tls: ssl.SSLContext | None = None, user: str = "") -> Iterator[Proxy]:
    """Run a proxy in a thread."""
    proxy, ready = Proxy(user=user), threading.Event()
    loop, stopped = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):
                await _forward(reader, writer, proxy)
            writer.transport.abort()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Not as a coroutine, because a task that is cancelled before it begins would leave its connection open.
            connections[asyncio.ensure_future(handle(reader, writer))] = writer

        server = await asyncio.start_server(accept, _HOST, ssl=tls)
        sockets = server.sockets
        proxy.url = f"{'https' if tls else 'http'}://localhost:{sockets[0].getsockname()[1]}"
        ready.set()
        await stopped.wait()
        for listening in sockets:
            loop.remove_reader(listening.fileno())
        # Connections that are being accepted would be left open as well.
        tasks = asyncio.all_tasks() - connections.keys()
        await asyncio.gather(*(task for task in tasks if "accept" in str(task.get_coro())), return_exceptions=True)
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():
            writer.transport.abort()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="proxy")
    thread.start()
    ready.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: Proxy) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, target, _ = head.split(" ", 2)
    proxy.asked.append(f"{method} {target}")
    proxy.heads.append(head)
    if proxy.user and f"Basic {base64.b64encode(proxy.user.encode()).decode()}" not in head:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    server_reader, server_writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            server_writer.write(head.replace(target, parts.path, 1).encode("latin-1"))
        pumps = [
            asyncio.ensure_future(_pump(reader, server_writer)),
            asyncio.ensure_future(_pump(server_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
    finally:
        server_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()
