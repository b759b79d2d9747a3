"""Serve ASGI applications from a background thread, quietly, and leave nothing behind."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_HOST: Final = "127.0.0.1"
_IDLE_SECONDS: Final = 75  # how long a connection may lie idle
_WRITE_BUFFER: Final = 1024 * 1024

# A logger of no hierarchy: what uvicorn says about a connection is no news to the host program, whatever
# its logging is set to. A failure of the sandbox itself is logged by `front.Front`.
_SILENT: Final = logging.Logger("uvicorn in the sandbox")  # noqa: LOG001 - to be outside the hierarchy
_SILENT.disabled = True


class QuietProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 without its logging; its transport is at hand for dropped connections."""

    clock: Callable[[], float]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        self.logger: logging.Logger = _SILENT
        self.access_logger: logging.Logger = _SILENT
        self.access_log = False
        self.app_state: dict[str, object] = {"transport": transport}
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        # asyncio leaves this out for sockets made without naming TCP; head and body are two writes, and the
        # second would wait 40 ms for the first one's acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request."""
        # uvicorn's own server refreshes the Date by a timer; it is wanted by the sandbox's clock.
        self.server_state.default_headers = [(b"date", formatdate(self.clock(), usegmt=True).encode())]
        super().data_received(data)


def listen(port: int) -> socket.socket:
    """Open a loopback socket.

    Args:
        port: The port; 0 for any free one.

    Returns:
        The socket, listening.

    Raises:
        OSError: The port is taken.
    """
    return socket.create_server((_HOST, port))


def origin_of(listening: socket.socket) -> str:
    """Give the URL of a listening socket, without a path."""
    host, port = listening.getsockname()
    return f"http://{host}:{port}"


def listen_twice(port: int, other_port: int) -> tuple[socket.socket, socket.socket]:
    """Open two loopback sockets, or none.

    Args:
        port: The first one's port; 0 for any free one.
        other_port: The second one's.

    Returns:
        The sockets, listening.

    Raises:
        OSError: A port is taken.
    """
    first = listen(port)
    try:
        return first, listen(other_port)
    except OSError:
        first.close()
        raise


class BackgroundServer:
    """A daemon thread with an event loop that serves each application on its own socket.

    Args:
        origins: The listening sockets, and the application behind each. They are closed with the server.
        clock: Gives the epoch seconds for Date headers.
    """

    def __init__(self, origins: Sequence[tuple[socket.socket, ASGIApp]], *, clock: Callable[[], float]) -> None:
        self._origins = origins
        self._clock = clock
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="impact-jobs sandbox", daemon=True)

    def start(self) -> None:
        """Start, and return once requests are answered."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise RuntimeError("the sandbox's server did not start") from self._failure

    def stop(self) -> None:
        """Drop every connection, close the sockets and end the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in start()
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        # Not uvicorn.Server: it ticks ten times a second, takes as long to stop, and logs by global loggers.
        state = ServerState()
        servers = [
            await self._loop.create_server(self._protocol_factory(app, state), sock=listening)
            for listening, app in self._origins
        ]
        self._ready.set()
        await self._stopping.wait()
        await self._accept_no_more(state)
        for server in servers:
            server.close()
        await _drop(state)

    async def _accept_no_more(self, state: ServerState) -> None:
        """Let the connections that are just being accepted arrive: closing first would lose, and leak, them."""
        for listening, _ in self._origins:
            self._loop.remove_reader(listening)
        accepting = asyncio.all_tasks() - state.tasks - {asyncio.current_task()}
        await asyncio.gather(*accepting, return_exceptions=True)

    def _protocol_factory(self, app: ASGIApp, state: ServerState) -> Callable[[], QuietProtocol]:
        config = uvicorn.Config(
            app,
            http=QuietProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=_IDLE_SECONDS,
        )
        config.load()
        loop, clock = self._loop, self._clock

        def make() -> QuietProtocol:
            protocol = QuietProtocol(config, state, {}, loop)
            protocol.clock = clock
            return protocol

        return make


async def _drop(state: ServerState) -> None:
    """End what is still going on: connections first, so that no task has anyone left to answer."""
    for connection in list(state.connections):
        connection.transport.abort()
    while state.connections:  # noqa: ASYNC110 - no event says so; each leaves within a turn or two of the loop
        await asyncio.sleep(0)
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
