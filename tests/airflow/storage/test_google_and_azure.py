"""Google's and Microsoft's stores, by way of their emulators."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault(
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false"
)  # gcsfs asks Google itself about each bucket otherwise

from adlfs import AzureBlobFileSystem
from attrs import frozen
from fsspec import AbstractFileSystem
from gcsfs import GCSFileSystem
from impact_jobs import ConfigurationError, DestinationExistsError, IntegrityError, JobsError

from tests.airflow.storage.conftest import Attached
from tests.airflow.storage.stores import BUCKET, MEBIBYTE, Bytes, FileMemory
from tests.interop.processes import HOST, free_port, serving
from tests.interop.stores import azure_store, servers

Made = Callable[[str, int], Bytes]


@frozen
class Store:
    scheme: str
    fs: AbstractFileSystem


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder, port = tmp_path_factory.mktemp("google"), free_port()
    program = str(Path(sys.executable).parent / "gcp-storage-emulator")
    command = [program, f"--data-dir={folder / 'data'}", "start", "--quiet"]
    with serving([*command, f"--host={HOST}", f"--port={port}", f"--default-bucket={BUCKET}"], port, folder=folder):
        yield Store("gs", GCSFileSystem(endpoint_url=f"http://{HOST}:{port}", token="anon", project="test"))


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with servers.azurite(tmp_path_factory.mktemp("azurite")) as store:
        connection = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": azure_store.ACCOUNT,
            "AccountKey": azure_store.KEY,
            "BlobEndpoint": f"http://{HOST}:{store.port}/{azure_store.ACCOUNT}",
        }
        text = ";".join(f"{name}={value}" for name, value in connection.items())
        yield Store("abfs", AzureBlobFileSystem(account_name=azure_store.ACCOUNT, connection_string=text))


@pytest.fixture(params=["google", "azure"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("size", [0, 1000, 6 * MEBIBYTE])
def test_a_file_arrives(
    *, store: Store, attached: Attached, made: Made, memory: FileMemory, key: str, size: int
) -> None:
    file = made("file", size)
    destination = attached(f"{store.scheme}://{BUCKET}/folder/{key}", store.fs)
    assert not destination.exists()
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert destination.sha256() == file.sha256
    assert store.fs.cat_file(f"{BUCKET}/folder/{key}") == file.path.read_bytes()


@pytest.mark.parametrize("name", ["a b.csv", "äöü.csv", "a+b.csv", "a#b.csv"])
def test_a_name_is_taken_literally(
    *, store: Store, attached: Attached, made: Made, memory: FileMemory, key: str, name: str
) -> None:
    file = made("file", 10)
    folder = f"{BUCKET}/{key.encode().hex()}"
    attached(f"{store.scheme}://{folder}/{name}", store.fs).put(file.path, sha256=file.sha256, memory=memory)
    assert store.fs.find(folder) == [f"{folder}/{name}"]


def test_damaged_bytes_are_deleted(store: Store, attached: Attached, made: Made, memory: FileMemory, key: str) -> None:
    file = made("file", 1000)
    destination = attached(f"{store.scheme}://{BUCKET}/{key}", store.fs)
    with pytest.raises(IntegrityError):
        destination.put(file.path, sha256="0" * 64, memory=memory)
    assert not destination.exists()


def test_a_file_that_exists_is_kept(
    *, store: Store, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", 1000)
    destination = attached(f"{store.scheme}://{BUCKET}/{key}", store.fs)
    store.fs.pipe_file(f"{BUCKET}/{key}", b"old")
    with pytest.raises(DestinationExistsError):
        destination.put(file.path, sha256=file.sha256, memory=memory, overwrite=False)
    assert store.fs.cat_file(f"{BUCKET}/{key}") == b"old"
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert destination.sha256() == file.sha256


@pytest.mark.parametrize("action", ["exists", "put"])
def test_a_missing_bucket_is_named(
    store: Store, attached: Attached, made: Made, memory: FileMemory, action: str
) -> None:
    file = made("file", 10)
    destination = attached(f"{store.scheme}://missing/a.csv", store.fs)
    actions: dict[str, Any] = {
        "exists": destination.exists,
        "put": lambda: destination.put(file.path, sha256=file.sha256, memory=memory),
    }
    with pytest.raises(JobsError) as caught:
        actions[action]()
    assert isinstance(caught.value, ConfigurationError), caught.value
    assert "the bucket 'missing' does not exist" in str(caught.value)
