"""What was fetched is kept: over cuts, over processes, and over links that have expired meanwhile."""

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
HEAD_BYTES = 4_000  # more than any head of an answer has


class Two(NamedTuple):
    """Clients that share nothing.

    Attributes:
        hasty: Never tries again.
        patient: RetryState again, soon.
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


def test_another_client_fetches_only_the_rest(store: Store, big: Big, two: Two, result: Result, relay: Relay) -> None:
    link = store.link(big.key, port=relay.port)
    cut_off(two.hasty, result, link, relay)
    result.lies_at(store.link(big.key, seconds=-5, port=relay.port), link)
    done = two.patient.download(result.job_id, result.path, connections=1)
    assert done.sha256 == big.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert CUT - HEAD_BYTES < done.resumed_from <= CUT
    assert relay.carried < big.size - done.resumed_from + 2 * HEAD_BYTES
    for heard in relay.requests:
        assert heard.headers["range"] == f"bytes={done.resumed_from}-{big.size - 1}"
        assert heard.headers["if-range"]
    assert result.left() == ["a.csv"]


def test_one_call_survives_many_cuts(store: Store, big: Big, two: Two, result: Result, relay: Relay) -> None:
    result.lies_at(store.link(big.key, port=relay.port))
    for after in (CUT, 0, 100, 1_000_000, 0, 3_000_000):
        relay.cut_next(after)
    done = two.patient.download(result.job_id, result.path, connections=1)
    assert done.sha256 == big.sha256
    assert relay.carried < big.size + 7 * HEAD_BYTES
    assert result.times_asked == 1


def test_a_stream_survives_many_cuts(store: Store, big: Big, two: Two, result: Result, relay: Relay) -> None:
    result.lies_at(store.link(big.key, port=relay.port))
    for after in (CUT, 0, 1_000_000):
        relay.cut_next(after)
    digest = hashlib.sha256()
    with two.patient.stream(result.job_id) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    assert digest.hexdigest() == big.sha256


def test_four_connections(store: Store, big: Big, two: Two, result: Result, relay: Relay) -> None:
    result.lies_at(store.link(big.key, port=relay.port))
    done = two.hasty.download(result.job_id, result.path, connections=4)
    assert done.sha256 == big.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert done.connections == 4
    assert sum("range" in heard.headers for heard in relay.requests) >= 3


def test_four_connections_that_all_break_are_resumed_by_four(
    store: Store, big: Big, two: Two, result: Result, relay: Relay
) -> None:
    link = store.link(big.key, port=relay.port)
    for _ in range(4):
        relay.cut_next(1_000_000)
    result.lies_at(link, link)
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
def test_an_object_that_has_changed_is_fetched_from_its_beginning(
    change: tuple[int, int], store: Store, two: Two, result: Result, relay: Relay
) -> None:
    """No store here heeds `If-Range`: it is for the client to see that the part is of something else."""
    size, connections = change
    old = Item(body=noise(1, 4_000_000))
    new = Item(body=noise(2, size), key=old.key)
    store.put(old)
    link = store.link(old.key, port=relay.port)
    cut_off(two.hasty, result, link, relay, after=2_000_000)
    store.put(new)
    result.lies_at(*[link] * 4)
    done = two.patient.download(result.job_id, result.path, connections=connections)
    assert done.path.read_bytes() == new.body
    assert done.sha256 == hashlib.sha256(new.body).hexdigest()
    assert result.left() == ["a.csv"]


def test_a_stream_of_an_object_that_changes_is_not_glued_together(
    store: Store, two: Two, result: Result, relay: Relay
) -> None:
    item = Item(body=noise(1, 4_000_000))
    store.put(item)
    result.lies_at(store.link(item.key, port=relay.port))
    relay.cut_next(2_000_000)
    with two.patient.stream(result.job_id) as chunks:
        store.put(Item(body=noise(2, 4_000_000), key=item.key))
        with pytest.raises(DownloadError, match="start over"):
            for _ in chunks:
                pass


def test_an_object_that_is_gone_says_so(store: Store, two: Two, result: Result, relay: Relay) -> None:
    item = Item(body=bytes(4_000_000))
    store.put(item)
    link = store.link(item.key, port=relay.port)
    cut_off(two.hasty, result, link, relay, after=2_000_000)
    store.delete(item.key)
    result.lies_at(*[link] * 4)
    with pytest.raises(ResultExpiredError):
        two.patient.download(result.job_id, result.path)
    assert not result.path.exists()


def test_a_link_that_expires_on_the_way(swift_s3: S3Store, two: Two, result: Result) -> None:
    item = Item(body=noise(3, 20_000_000))
    swift_s3.put(item)
    with Relay(swift_s3.port) as relay:
        link = swift_s3.link(item.key, seconds=2, port=relay.port)
        result.lies_at(link, swift_s3.link(item.key, port=relay.port))
        relay.cut_next(12_000_000)  # progress is told every 8 MiB
        done = two.patient.download(
            result.job_id,
            result.path,
            connections=1,
            on_progress=lambda done, _: wait_until_refused(link) if done else None,
        )
        assert any(heard.headers.get("range", "").startswith("bytes=1") for heard in relay.requests)
    assert done.path.read_bytes() == item.body
    assert result.times_asked == 2


def test_a_store_that_knows_no_versions_gives_all_of_it_again(google: GoogleStore, two: Two, result: Result) -> None:
    """The emulator states neither an entity tag nor a date, so nothing shows that two parts are of one object."""
    item = Item(body=noise(4, 4_000_000))
    google.put(item)
    with Relay(google.port) as relay:
        relay.cut_next(2_000_000)
        result.lies_at(google.link(item.key, port=relay.port))
        done = two.patient.download(result.job_id, result.path, connections=4)
        assert [heard.headers.get("range") for heard in relay.requests] == [None, None]
    assert done.path.read_bytes() == item.body
    assert done.connections == 1


def cut_off(client: AnyClient, result: Result, link: str, relay: Relay, *, after: int = CUT) -> None:
    """Have a client begin a download, and fail."""
    result.lies_at(link)
    relay.cut_next(after)
    with pytest.raises(TransportError):
        client.download(result.job_id, result.path, connections=1)
    assert not result.path.exists()
    relay.forget()


def wait_until_refused(link: str) -> None:
    deadline = time.monotonic() + 30
    while httpx.get(link, headers={"Range": "bytes=0-0"}, trust_env=False).is_success:
        assert time.monotonic() < deadline, "the store does not refuse an expired link"
        time.sleep(0.05)
