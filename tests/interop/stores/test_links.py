"""Links that a store refuses, and secrets of links and accounts that must not be disclosed."""

from __future__ import annotations

import base64
import logging

import httpx
import pytest
from impact_jobs import ResultExpiredError

from tests.interop.stores.conftest import Big
from tests.interop.stores.disclosure import SIGNATURES, everything_in, everything_logged, secrets_of
from tests.interop.stores.relay import Relay
from tests.interop.stores.result import Result
from tests.interop.stores.store import Item, Store
from tests.interop.stores.swift_store import SwiftStore
from tests.support.driving import AnyClient

pytestmark = pytest.mark.interop

REFUSED = {401, 403}


def test_a_fresh_link_is_requested_after_an_expired_one(
    store: Store, big: Big, jobs: AnyClient, result: Result
) -> None:
    expired = store.link(big.key, seconds=-5)
    assert status_of(expired) in REFUSED, "the link has not expired"
    result.redirect_to(expired, store.link(big.key))
    assert jobs.download(result.job_id, result.path).sha256 == big.sha256


def test_a_stream_requests_a_fresh_link_too(store: Store, big: Big, jobs: AnyClient, result: Result) -> None:
    result.redirect_to(store.link(big.key, seconds=-5), store.link(big.key))
    with jobs.stream(result.job_id) as chunks:
        assert sum(map(len, chunks)) == big.size


@pytest.fixture(params=["expired", "wrong signature", "of a deleted object"])
def refused_link(request: pytest.FixtureRequest, store: Store) -> str:
    item = Item(body=b"a,b\n")
    store.put(item)
    good = store.link(item.key)
    assert status_of(good) == 200
    if request.param == "expired":
        link = store.link(item.key, seconds=-5)
    elif request.param == "wrong signature":
        link = with_wrong_signature(good)
    else:
        link = good
        store.delete(item.key)
    assert status_of(link) in ({404} if link == good else REFUSED)
    return link


def test_a_link_that_is_always_refused_raises_without_secrets(
    refused_link: str, jobs: AnyClient, result: Result, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    result.redirect_to(refused_link, refused_link)
    with pytest.raises(ResultExpiredError, match=result.job_id) as raised:
        jobs.download(result.job_id, result.path)
    disclosed = everything_in(raised.value) + everything_logged(caplog.records)
    for secret in secrets_of(refused_link):
        assert secret not in disclosed
    assert result.files() == []


def test_a_link_is_not_logged(
    store: Store, big: Big, jobs: AnyClient, result: Result, caplog: pytest.LogCaptureFixture
) -> None:
    link = store.link(big.key)
    caplog.set_level(logging.DEBUG)
    result.redirect_to(link)
    jobs.download(result.job_id, result.path)
    disclosed = everything_logged(caplog.records)
    assert f":{store.port}/" in disclosed, "httpx has not logged the request"
    for secret in secrets_of(link):
        assert secret not in disclosed


def test_no_credentials_or_cookies_are_sent_to_the_store(
    store: Store, big: Big, jobs: AnyClient, result: Result
) -> None:
    with Relay(store.port) as relay:
        link = store.link(big.key, port=relay.port)
        result.redirect_to(link, link)
        assert jobs.download(result.job_id, result.path).sha256 == big.sha256
        with jobs.stream(result.job_id) as chunks:
            assert sum(map(len, chunks)) == big.size
        requests = relay.requests
    assert len(requests) >= 2
    sid, token = result.sandbox.account_sid, result.sandbox.auth_token
    for request in requests:
        assert request.line.startswith("GET ")
        assert not {"authorization", "cookie", "referer", "ir-version"} & set(request.headers)
        for secret in (sid, token, base64.b64encode(f"{sid}:{token}".encode()).decode()):
            assert secret.encode() not in request.raw


def test_a_store_that_rejects_two_sets_of_credentials(swift: SwiftStore, jobs: AnyClient, result: Result) -> None:
    """Swift's S3 interface reads every `Authorization` as one of S3, even with a signed link."""
    item = Item(body=b"a,b\n")
    swift.put(item)
    link = swift.link(item.key)
    assert status_of(link) == 200
    account = httpx.BasicAuth(result.sandbox.account_sid, result.sandbox.auth_token)
    assert status_of(link, auth=account) in {400, 403}
    result.redirect_to(link)
    assert jobs.download(result.job_id, result.path).path.read_bytes() == item.body


def status_of(link: str, *, auth: httpx.BasicAuth | None = None) -> int:
    return httpx.get(link, auth=auth, trust_env=False).status_code


def with_wrong_signature(link: str) -> str:
    """Return the link with a wrong signature of the right form."""
    url = httpx.URL(link)
    (name,) = SIGNATURES & set(url.params)
    other = url.params[name].translate(str.maketrans("0123456789abAB", "1234567890baBA"))
    return str(url.copy_set_param(name, other))
