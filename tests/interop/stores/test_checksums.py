"""A result is verified against the checksum that the store states, and thrown away if it differs."""

from __future__ import annotations

import httpx
import pytest
from impact_jobs import IntegrityError, Retry
from impact_jobs._download.checksums import stated_checksums

from tests.interop.stores.azure_store import AzureStore
from tests.interop.stores.google_store import GoogleStore
from tests.interop.stores.result import Result
from tests.interop.stores.store import Item
from tests.interop.stores.swift_store import SwiftStore
from tests.support.driving import AnyClient

pytestmark = pytest.mark.interop

ITEM = Item(body=b"date,amount\n" * 10_000)
STATED = pytest.mark.parametrize("stated", [ITEM.body, b"something else"], ids=["true", "false"])


@STATED
def test_content_md5(stated: bytes, azurite: AzureStore, jobs: AnyClient, result: Result) -> None:
    azurite.put(ITEM)
    azurite.state_md5(ITEM.key, stated)
    check(jobs, result, azurite.link(ITEM.key), algorithm="md5", is_true=stated == ITEM.body)


@STATED
def test_x_amz_checksum_sha256(stated: bytes, swift: SwiftStore, jobs: AnyClient, result: Result) -> None:
    swift.put(ITEM)
    swift.state_sha256(ITEM.key, stated)
    check(jobs, result, swift.link(ITEM.key), algorithm="sha256", is_true=stated == ITEM.body)


@STATED
def test_x_goog_hash(stated: bytes, google: GoogleStore, jobs: AnyClient, result: Result) -> None:
    """The emulator computes its checksums, so the mismatch is an object that was changed on disk."""
    google.put(Item(body=stated, key=ITEM.key))
    google.rot(ITEM.key, ITEM.body)
    check(jobs, result, google.link(ITEM.key), algorithm="md5", is_true=stated == ITEM.body)


def check(jobs: AnyClient, result: Result, link: str, *, algorithm: str, is_true: bool) -> None:
    assert algorithm in stated_checksums(httpx.get(link, trust_env=False).headers), "else this shows nothing"
    result.redirect_to(link)
    once = jobs.with_options(retry=Retry(attempts=1))
    if is_true:
        assert once.download(result.job_id, result.path).path.read_bytes() == ITEM.body
        return
    with pytest.raises(IntegrityError, match=result.job_id):
        once.download(result.job_id, result.path)
    assert result.files() == []
