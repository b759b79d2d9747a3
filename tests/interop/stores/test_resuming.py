"""Downloads resume after cuts, in another client, and after links have expired."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from impact_jobs import DownloadError, ResultExpiredError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.interop.stores.conftest import Big
from tests.interop.stores.google_store import GoogleStore
from tests.interop.stores.relay import Relay
from tests.interop.stores.result import Result
from tests.interop.stores.s3_store import S3Store
from tests.interop.stores.store import Item, Store, noise
from tests.support.driving import AnyClient, clients

pytestmark = pytest.mark.interop

CUT = 8_000_000
HEAD_BYTES = 4_000  # more than the headers of any response


class Two(NamedTuple):
    """Two independent clients.

    Attributes:
        hasty: Never retries.
        patient: Retries without delay.
    """

    hasty: AnyClient
    patient: AnyClient


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def two(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Two]:
    with (
        asyncio.Runner() as runner,
        request.param(sandbox, runner, retry=Retry(attempts=1)) as hasty,
        request.param(sandbox, runner, retry=Retry(base_delay=0.01)) as patient,
    ):
        yield Two(hasty, patient)


def test_another_client_downloads_only_the_missing_bytes(
    store: Store, big: Big, two: Two, result: Result, relay: Relay
) -> None:
    link = store.link(big.key, port=relay.port)
    cut_off(two.hasty, result, link, relay)
    result.redirect_to(store.link(big.key, seconds=-5, port=relay.port), link)
    done = two.patient.download(result.job_id, result.path, connections=1)
    assert done.sha256 == big.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert CUT - HEAD_BYTES < done.resumed_from <= CUT
    assert relay.carried < big.size - done.resumed_from + 2 * HEAD_BYTES
    for request in relay.requests:
        assert request.headers["range"] == f"bytes={done.resumed_from}-{big.size - 1}"
        assert request.headers["if-range"]
    assert result.files() == ["a.csv"]


def test_one_call_survives_many_cuts(store: Store, big: Big, two: Two, result: Result, relay: Relay) -> None:
    result.redirect_to(store.link(big.key, port=relay.port))
    for after in (CUT, 0, 100, 1_000_000, 0, 3_000_000):
        relay.cut_next(after)
    done = two.patient.download(result.job_id, result.path, connections=1)
    assert done.sha256 == big.sha256
    assert relay.carried < big.size + 7 * HEAD_BYTES
    assert result.link_requests == 1


def test_a_stream_survives_many_cuts(store: Store, big: Big, two: Two, result: Result, relay: Relay) -> None:
    result.redirect_to(store.link(big.key, port=relay.port))
    for after in (CUT, 0, 1_000_000):
        relay.cut_next(after)
    digest = hashlib.sha256()
    with two.patient.stream(result.job_id) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    assert digest.hexdigest() == big.sha256


def test_a_result_is_downloaded_over_four_connections(
    store: Store, big: Big, two: Two, result: Result, relay: Relay
) -> None:
    result.redirect_to(store.link(big.key, port=relay.port))
    done = two.hasty.download(result.job_id, result.path, connections=4)
    assert done.sha256 == big.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert done.connections == 4
    assert sum("range" in request.headers for request in relay.requests) >= 3


def test_four_broken_connections_are_resumed_by_four(
    store: Store, big: Big, two: Two, result: Result, relay: Relay
) -> None:
    link = store.link(big.key, port=relay.port)
    for _ in range(4):
        relay.cut_next(1_000_000)
    result.redirect_to(link, link)
    with pytest.raises(TransportError):
        two.hasty.download(result.job_id, result.path, connections=4)
    done = two.patient.download(result.job_id, result.path, connections=4)
    assert done.sha256 == big.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert done.resumed_from > 0


@pytest.mark.parametrize(
    "change",
    [(4_000_000, 1), (4_000_000, 4), (1_000_000, 1), (5_000_000, 4)],
    ids=["as long", "as long, in four", "shorter", "longer, in four"],
)
def test_a_changed_object_is_downloaded_from_its_beginning(
    change: tuple[int, int], store: Store, two: Two, result: Result, relay: Relay
) -> None:
    """None of these stores supports `If-Range`, so the client has to notice the change."""
    size, connections = change
    old = Item(body=noise(1, 4_000_000))
    new = Item(body=noise(2, size), key=old.key)
    store.put(old)
    link = store.link(old.key, port=relay.port)
    cut_off(two.hasty, result, link, relay, after=2_000_000)
    store.put(new)
    result.redirect_to(*[link] * 4)
    done = two.patient.download(result.job_id, result.path, connections=connections)
    assert done.path.read_bytes() == new.body
    assert done.sha256 == hashlib.sha256(new.body).hexdigest()
    assert result.files() == ["a.csv"]


def test_a_stream_of_a_changed_object_raises(store: Store, two: Two, result: Result, relay: Relay) -> None:
    item = Item(body=noise(1, 4_000_000))
    store.put(item)
    result.redirect_to(store.link(item.key, port=relay.port))
    relay.cut_next(2_000_000)
    with two.patient.stream(result.job_id) as chunks:
        store.put(Item(body=noise(2, 4_000_000), key=item.key))
        with pytest.raises(DownloadError, match="start over"):
            for _ in chunks:
                pass


def test_a_deleted_object_raises_result_expired(store: Store, two: Two, result: Result, relay: Relay) -> None:
    item = Item(body=bytes(4_000_000))
    store.put(item)
    link = store.link(item.key, port=relay.port)
    cut_off(two.hasty, result, link, relay, after=2_000_000)
    store.delete(item.key)
    result.redirect_to(*[link] * 4)
    with pytest.raises(ResultExpiredError):
        two.patient.download(result.job_id, result.path)
    assert not result.path.exists()


def test_a_link_that_expires_during_a_download_is_replaced(swift_s3: S3Store, two: Two, result: Result) -> None:
    item = Item(body=noise(3, 20_000_000))
    swift_s3.put(item)
    with Relay(swift_s3.port) as relay:
        link = swift_s3.link(item.key, seconds=2, port=relay.port)
        result.redirect_to(link, swift_s3.link(item.key, port=relay.port))
        relay.cut_next(12_000_000)  # progress is reported every 8 MiB
        done = two.patient.download(
            result.job_id,
            result.path,
            connections=1,
            on_progress=lambda done, _: wait_until_refused(link) if done else None,
        )
        assert any(request.headers.get("range", "").startswith("bytes=1") for request in relay.requests)
    assert done.path.read_bytes() == item.body
    assert result.link_requests == 2


def test_a_store_without_validators_sends_the_whole_object_again(google: GoogleStore, two: Two, result: Result) -> None:
    """The emulator states neither an entity tag nor a date, so nothing shows that two parts belong together."""
    item = Item(body=noise(4, 4_000_000))
    google.put(item)
    with Relay(google.port) as relay:
        relay.cut_next(2_000_000)
        result.redirect_to(google.link(item.key, port=relay.port))
        done = two.patient.download(result.job_id, result.path, connections=4)
        assert [request.headers.get("range") for request in relay.requests] == [None, None]
    assert done.path.read_bytes() == item.body
    assert done.connections == 1


def cut_off(client: AnyClient, result: Result, link: str, relay: Relay, *, after: int = CUT) -> None:
    """Let a client start a download that fails."""
    result.redirect_to(link)
    relay.cut_next(after)
    with pytest.raises(TransportError):
        client.download(result.job_id, result.path, connections=1)
    assert not result.path.exists()
    relay.reset()


def wait_until_refused(link: str) -> None:
    deadline = time.monotonic() + 30
    while httpx.get(link, headers={"Range": "bytes=0-0"}, trust_env=False).is_success:
        assert time.monotonic() < deadline, "the store does not refuse an expired link"
        time.sleep(0.05)
