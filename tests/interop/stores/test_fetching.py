"""Results are downloaded completely from real object stores, through links that the stores verify."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tests.interop.stores.conftest import Big
from tests.interop.stores.result import Result
from tests.interop.stores.store import Item, Store
from tests.support.driving import AnyClient

pytestmark = pytest.mark.interop


def test_a_download(store: Store, big: Big, jobs: AnyClient, result: Result) -> None:
    result.redirect_to(store.link(big.key))
    done = jobs.download(result.job_id, result.path)
    assert done.sha256 == big.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert done.bytes_written == big.size
    assert done.content_type == "text/csv"
    assert result.files() == ["a.csv"]


def test_a_stream(store: Store, big: Big, jobs: AnyClient, result: Result) -> None:
    result.redirect_to(store.link(big.key))
    digest = hashlib.sha256()
    with jobs.stream(result.job_id) as chunks:
        assert chunks.bytes_total == big.size
        for chunk in chunks:
            digest.update(chunk)
    assert digest.hexdigest() == big.sha256


def test_an_empty_result(store: Store, jobs: AnyClient, result: Result) -> None:
    item = Item(body=b"")
    store.put(item)
    result.redirect_to(store.link(item.key))
    assert jobs.download(result.job_id, result.path).path.read_bytes() == b""


def test_an_object_stored_with_gzip_encoding_arrives_decoded(store: Store, jobs: AnyClient, result: Result) -> None:
    """A store ignores Accept-Encoding, and states the length and checksums of the encoded bytes."""
    text = b"date,amount\n" * 50_000
    item = Item(body=gzip.compress(text, mtime=0), encoding="gzip")
    store.put(item)
    result.redirect_to(store.link(item.key), store.link(item.key))
    assert jobs.download(result.job_id, result.path).path.read_bytes() == text
    with jobs.stream(result.job_id) as chunks:
        assert b"".join(chunks) == text


NAMES = {
    "plain": ('attachment; filename="report.csv"', "report.csv"),
    "not ASCII": ("attachment; filename=report.csv; filename*=UTF-8''B%C3%A9richt%20%E6%97%A5.csv", "Béricht 日.csv"),
    "elsewhere": ('attachment; filename="../../etc/passwd"', "passwd"),
    "elsewhere, encoded": ("attachment; filename*=UTF-8''..%2F..%2Fevil.csv", "evil.csv"),
    "hidden": ('attachment; filename=".bashrc"', "bashrc"),
}


@pytest.mark.parametrize("named", NAMES.values(), ids=NAMES)
def test_the_name_of_an_object_is_made_safe(
    named: tuple[str, str], store: Store, jobs: AnyClient, result: Result
) -> None:
    disposition, name = named
    item = Item(body=b"a,b\n", disposition=disposition, key=f"Übersicht {result.job_id}/日 +%&=.csv")
    store.put(item)
    result.redirect_to(store.link(item.key))
    done = jobs.download(result.job_id, result.folder)
    assert done.path == result.folder / name
    assert done.filename == name
    assert result.files() == [name]
