"""The stores as they are started: each by its own command, with an account that only this run knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.stores import azure_store, google_store, swift_store
from tests.interop.stores.azure_store import AzureStore
from tests.interop.stores.google_store import GoogleStore
from tests.interop.stores.s3_store import S3Store
from tests.interop.stores.serving import HOST, free_port, serving, tool
from tests.interop.stores.sigv4 import Keys


@contextmanager
def nanio(folder: Path) -> Iterator[S3Store]:
    """nanio: S3 over a plain folder, from PyPI."""
    keys, port = Keys("results", "secret-of-the-bucket"), free_port()
    command = [tool("pypi", "nanio"), "serve", f"--data-dir={folder}/data", f"--host={HOST}", f"--port={port}"]
    environ = {"NANIO_ACCESS_KEY": keys.access, "NANIO_SECRET_KEY": keys.secret}
    with serving(command, port, folder=folder, environ=environ):
        store = S3Store(port=port, keys=keys)
        store.make_bucket()
        yield store


@contextmanager
def azurite(folder: Path) -> Iterator[AzureStore]:
    """Azurite: Microsoft's own emulator of Azure Storage, from npm."""
    port = free_port()
    command = [tool("npm", "azurite-blob"), "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    address = ["--blobHost", HOST, "--blobPort", str(port)]
    environ = {"AZURITE_ACCOUNTS": f"{azure_store.ACCOUNT}:{azure_store.KEY}"}
    with serving([*command, *address], port, folder=folder, environ=environ):
        store = AzureStore(port=port)
        store.make_container()
        yield store


@contextmanager
def google(folder: Path) -> Iterator[GoogleStore]:
    """gcp-storage-emulator, from PyPI."""
    port = free_port()
    data = folder / "data"
    command = [tool("pypi", "gcp-storage-emulator"), f"--data-dir={data}", "start", "--quiet"]
    options = [f"--host={HOST}", f"--port={port}", f"--default-bucket={google_store.BUCKET}"]
    with serving([*command, *options], port, folder=folder):
        yield GoogleStore(port=port, folder=data)


@contextmanager
def swift(folder: Path) -> Iterator[int]:
    """OpenStack Swift, from PyPI, behind both of its doors; gives its port."""
    port = free_port()
    script = Path(__file__).with_name("swift_server.py")
    # Its event loop, eventlet, announces its own retirement.
    command = [tool("pypi", "python"), "-Wignore", str(script), str(folder), str(port)]
    account = [swift_store.ACCOUNT, swift_store.USER, swift_store.PASSWORD]
    with serving([*command, *account], port, folder=folder):
        yield port
