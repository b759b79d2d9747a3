"""Start each object store with its own command and a fresh account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.processes import HOST, free_port, serving, tool
from tests.interop.stores import azure_store, google_store, swift_store
from tests.interop.stores.azure_store import AzureStore
from tests.interop.stores.google_store import GoogleStore
from tests.interop.stores.s3_store import S3Store
from tests.interop.stores.sigv4 import Keys


@contextmanager
def nanio(folder: Path) -> Iterator[S3Store]:
    """Start nanio, an S3 server over a plain folder, from PyPI."""
    keys, port = Keys("results", "secret-of-the-bucket"), free_port()
    command = [tool("pypi", "nanio"), "serve", f"--data-dir={folder}/data", f"--host={HOST}", f"--port={port}"]
    environ = {"NANIO_ACCESS_KEY": keys.access, "NANIO_SECRET_KEY": keys.secret}
    with serving(command, port, folder=folder, environ=environ):
        store = S3Store(port=port, keys=keys)
        store.make_bucket()
        yield store


@contextmanager
def azurite(folder: Path) -> Iterator[AzureStore]:
    """Start Azurite, Microsoft's emulator of Azure Storage, from npm."""
    port = free_port()
    command = [
        tool("npm", "azurite-blob"),
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--silent",
        "--skipApiVersionCheck",
    ]
    address = ["--blobHost", HOST, "--blobPort", str(port)]
    environ = {"AZURITE_ACCOUNTS": f"{azure_store.ACCOUNT}:{azure_store.KEY}"}
    with serving([*command, *address], port, folder=folder, environ=environ):
        store = AzureStore(port=port)
        store.make_container()
        yield store


@contextmanager
def google(folder: Path) -> Iterator[GoogleStore]:
    """Start gcp-storage-emulator, from PyPI."""
    port = free_port()
    data = folder / "data"
    command = [tool("pypi", "gcp-storage-emulator"), f"--data-dir={data}", "start", "--quiet"]
    options = [f"--host={HOST}", f"--port={port}", f"--default-bucket={google_store.BUCKET}"]
    with serving([*command, *options], port, folder=folder):
        yield GoogleStore(port=port, folder=data)


@contextmanager
def swift(folder: Path) -> Iterator[int]:
    """Start OpenStack Swift, from PyPI, with its own and its S3 interface; give its port."""
    port = free_port()
    script = Path(__file__).with_name("swift_server.py")
    # Ignore warnings, because its event loop, eventlet, announces its own deprecation.
    command = [tool("pypi", "python"), "-Wignore", str(script), str(folder), str(port)]
    account = [swift_store.ACCOUNT, swift_store.USER, swift_store.PASSWORD]
    with serving([*command, *account], port, folder=folder):
        yield port
