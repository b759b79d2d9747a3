"""The servers of a sandbox: the API and the storage, each on its own port."""

from __future__ import annotations

from impact_jobs.sandbox._api import create_app
from impact_jobs.sandbox._background_server import BackgroundServer, listen_on_both, url_of
from impact_jobs.sandbox._fault_middleware import FaultMiddleware
from impact_jobs.sandbox._state import SandboxState
from impact_jobs.sandbox._storage import Storage


def start_servers(state: SandboxState) -> BackgroundServer:
    """Start both servers and put their URLs into the state; raise OSError if a port is taken."""
    api_socket, storage_socket = listen_on_both(state.settings.port, state.settings.storage_port)
    state.base_url, state.storage_url = url_of(api_socket), url_of(storage_socket)
    api = FaultMiddleware(create_app(state), origin="api", state=state)
    storage = FaultMiddleware(Storage(state), origin="storage", state=state)
    server = BackgroundServer([(api_socket, api), (storage_socket, storage)], clock=state.clock)
    server.start()
    return server
