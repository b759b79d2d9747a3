from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from airflow.sdk.io.store import _STORE_CACHE
from attrs import evolve
from fsspec import AbstractFileSystem
from impact_jobs.airflow._storage import Destination

from tests.airflow.storage.stores import ACCESS, BUCKET, SECRET, Bytes, FileMemory, HookedS3, S3Server
from tests.interop.processes import HOST, free_port, serving

_BIN = Path(sys.executable).parent
Attached = Callable[..., Destination]


@contextmanager
def _nanio(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [str(_BIN / "nanio"), "serve", f"--data-dir={folder}/data", f"--host={HOST}", f"--port={port}"]
    environ = {"NANIO_ACCESS_KEY": ACCESS, "NANIO_SECRET_KEY": SECRET}
    with serving(command, port, folder=folder, environ=environ):
        yield f"http://{HOST}:{port}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with _nanio(tmp_path_factory.mktemp("nanio")) as url:
        server = S3Server.at(url)
        server.client.create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def fs(s3: S3Server) -> HookedS3:
    return HookedS3(s3.url)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """Give a name that no other test uses."""
    return f"{request.node.name.translate(str.maketrans('[]/', '---'))}.csv"


@pytest.fixture
def memory(tmp_path: Path) -> FileMemory:
    return FileMemory(tmp_path / "memory.json")


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str, int], Bytes]:
    """Give a function that makes a file of so many bytes."""
    return lambda name, size: Bytes.made(tmp_path / name, size)


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> Attached:
    """Give a function that makes a destination in a filesystem, as Airflow's connection `store`."""

    def attach_one(url: str, fs: AbstractFileSystem, *, part_bytes: int | None = None) -> Destination:
        scheme = url.partition("://")[0]
        monkeypatch.delitem(_STORE_CACHE, f"{scheme}-store", raising=False)
        attach(scheme, "store", fs=fs)
        found = Destination.create(url, "store")
        return found if part_bytes is None else evolve(found, part_bytes=part_bytes)

    return attach_one
