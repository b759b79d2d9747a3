from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from impact_jobs.sandbox import Sandbox

from tests.interop.stores import servers, swift_store
from tests.interop.stores.azure_store import AzureStore
from tests.interop.stores.google_store import GoogleStore
from tests.interop.stores.relay import Relay
from tests.interop.stores.result import Result
from tests.interop.stores.s3_store import S3Store
from tests.interop.stores.sigv4 import Keys
from tests.interop.stores.store import Item, Store, noise
from tests.interop.stores.swift_store import SwiftStore


@pytest.fixture(scope="session")
def nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    with servers.nanio(tmp_path_factory.mktemp("nanio")) as store:
        yield store


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureStore]:
    with servers.azurite(tmp_path_factory.mktemp("azurite")) as store:
        yield store


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleStore]:
    with servers.google(tmp_path_factory.mktemp("google")) as store:
        yield store


@pytest.fixture(scope="session")
def swift_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.swift(tmp_path_factory.mktemp("swift")) as port:
        yield port


@pytest.fixture(scope="session")
def swift(swift_port: int) -> SwiftStore:
    """Give Swift with its own interface and tempurls."""
    return SwiftStore.logged_in(swift_port)


@pytest.fixture(scope="session")
def swift_s3(swift_port: int) -> S3Store:
    """Give the same Swift with its S3 interface."""
    keys = Keys(f"{swift_store.ACCOUNT}:{swift_store.USER}", swift_store.PASSWORD)
    store = S3Store(port=swift_port, keys=keys, bucket="results-s3")
    store.make_bucket()
    return store


@pytest.fixture(scope="session", params=["azurite", "swift", "swift_s3", "nanio"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@frozen(kw_only=True)
class Big:
    """A large object shared by all tests of a store, which must not change it."""

    key: str
    size: int
    sha256: str


@pytest.fixture(scope="session")
def big(store: Store) -> Big:
    item = Item(body=noise(0, 20_000_000))
    store.put(item)
    return Big(key=item.key, size=len(item.body), sha256=hashlib.sha256(item.body).hexdigest())


@pytest.fixture
def relay(store: Store) -> Iterator[Relay]:
    with Relay(store.port) as listening:
        yield listening


@pytest.fixture
def result(sandbox: Sandbox, tmp_path: Path) -> Result:
    return Result(sandbox=sandbox, job_id=sandbox.add_job(age=3600), folder=tmp_path)
