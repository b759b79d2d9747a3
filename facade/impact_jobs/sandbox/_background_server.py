"""Serves ASGI applications from a background thread, without logging, and cleans up completely."""

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
_IDLE_SECONDS: Final = 75  # how long a connection may stay idle
_WRITE_BUFFER: Final = 1024 * 1024

# Outside the hierarchy of loggers, so that uvicorn's messages never reach the host program, however it configures
# logging. `FaultMiddleware` logs failures of the sandbox itself.
_SILENT: Final = logging.Logger("uvicorn in the sandbox")  # noqa: LOG001 - keeps it outside the hierarchy
_SILENT.disabled = True


class QuietProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 without logging; the scope of a request holds its transport, so it can be closed."""

    clock: Callable[[], float]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up a connection."""
        super().connection_made(transport)
        self.logger: logging.Logger = _SILENT
        self.access_logger: logging.Logger = _SILENT
        self.access_log = False
        self.app_state: dict[str, object] = {"transport": transport}
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        # asyncio sets this only on sockets created with an explicit protocol. Without it, the body would wait 40 ms for
        # the acknowledgement of the head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request."""
        # uvicorn's own server sets the Date by a timer; here it follows the sandbox's clock.
        self.server_state.default_headers = [(b"date", formatdate(self.clock(), usegmt=True).encode())]
        super().data_received(data)


def listen(port: int) -> socket.socket:
    """Listen on a loopback port, or on any free one if it is 0; raise OSError if it is taken."""
    return socket.create_server((_HOST, port))


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket, without a path."""
    host, port = listening.getsockname()
    return f"http://{host}:{port}"


def listen_on_both(port: int, other_port: int) -> tuple[socket.socket, socket.socket]:
    """Listen on two loopback ports; if either is taken, raise OSError and leave no socket open."""
    first = listen(port)
    try:
        return first, listen(other_port)
    except OSError:
        first.close()
        raise


class BackgroundServer:
    """A daemon thread that serves each application on its own socket, and closes the sockets in the end."""

    def __init__(self, apps: Sequence[tuple[socket.socket, ASGIApp]], *, clock: Callable[[], float]) -> None:
        self._apps = apps
        self._clock = clock
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="impact-jobs sandbox", daemon=True)

    def start(self) -> None:
        """Start the thread, and return once it serves requests."""
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
        except BaseException as error:  # noqa: BLE001 - start() raises it
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        # Not uvicorn.Server, which polls ten times a second, stops as slowly, and writes to global loggers.
        state = ServerState()
        servers = [
            await self._loop.create_server(self._protocol_factory(app, state), sock=listening)
            for listening, app in self._apps
        ]
        self._ready.set()
        await self._stopping.wait()
        await self._stop_accepting(state)
        for server in servers:
            server.close()
        await _drop_connections(state)

    async def _stop_accepting(self, state: ServerState) -> None:
        """Wait for connections that are being accepted, because closing the server first would leak them."""
        for listening, _ in self._apps:
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

        def create_protocol() -> QuietProtocol:
            protocol = QuietProtocol(config, state, {}, loop)
            protocol.clock = clock
            return protocol

        return create_protocol


async def _drop_connections(state: ServerState) -> None:
    """Abort all connections and cancel their tasks; connections first, so that no task can still respond."""
    for connection in list(state.connections):
        connection.transport.abort()
    while state.connections:  # noqa: ASYNC110 - uvicorn has no event for it; it takes a few turns
        await asyncio.sleep(0)
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
