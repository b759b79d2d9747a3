from __future__ import annotations

import base64
import hashlib
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs._download.checksums import Digester, is_digest, stated_checksums

DATA = b"Date,Clicks\r\n2026-05-29,1\r\n"
MD5 = base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()
SHA1 = base64.b64encode(hashlib.sha1(DATA, usedforsecurity=False).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
SHA512 = base64.b64encode(hashlib.sha512(DATA).digest()).decode()
CRC32 = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, {}),
        ({"content-md5": MD5}, {"md5": MD5}),
        ({"x-goog-hash": f"crc32c=AAAAAA==,md5={MD5}"}, {"md5": MD5}),
        ({"x-goog-hash": f"crc32c=AAAAAA==, md5={MD5}"}, {"md5": MD5}),
        ({"x-goog-hash": f"md5={MD5}", "x-goog-stored-content-encoding": "identity"}, {"md5": MD5}),
        ({"x-goog-hash": f"md5={MD5}", "x-goog-stored-content-encoding": "gzip"}, {}),
        ({"x-amz-checksum-sha256": SHA256, "x-amz-checksum-crc32": CRC32}, {"sha256": SHA256, "crc32": CRC32}),
        ({"x-amz-checksum-sha1": SHA1, "x-amz-checksum-type": "FULL_OBJECT"}, {"sha1": SHA1}),
        ({"x-amz-checksum-sha256": f"{SHA256}-3"}, {}),
        ({"x-amz-checksum-crc32c": "AAAAAA=="}, {}),
        ({"repr-digest": f"sha-256=:{SHA256}:, sha-512=:{SHA512}:"}, {"sha256": SHA256, "sha512": SHA512}),
        ({"digest": f"SHA-256={SHA256},md5={MD5}"}, {"sha256": SHA256, "md5": MD5}),
        ({"content-digest": f"sha-256=:{SHA256}:"}, {}),  # of the bytes that are sent, perhaps a part
        ({"content-md5": MD5, "content-encoding": "gzip"}, {}),
        ({"content-md5": MD5, "content-range": "bytes 0-9/10"}, {}),
        ({"etag": f'"{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}"'}, {}),
        ({"content-md5": hashlib.md5(DATA, usedforsecurity=False).hexdigest()}, {}),
        ({"content-md5": SHA256}, {}),
        ({"content-md5": ""}, {}),
    ],
)
def test_supported_checksums_are_found(headers: dict[str, str], found: dict[str, str]) -> None:
    assert stated_checksums(headers) == found


@given(
    st.dictionaries(
        st.sampled_from(["content-md5", "x-goog-hash", "x-amz-checksum-sha256", "repr-digest", "digest"]),
        st.text(max_size=60) | st.sampled_from([MD5, f"md5={MD5}", f"sha-256=:{SHA256}:", "=", ",", "md5=", "a=b=c"]),
    )
)
def test_every_header_gives_only_comparable_checksums(headers: dict[str, str]) -> None:
    for name, value in stated_checksums(headers).items():
        assert is_digest(name, value)
        assert len(base64.b64decode(value)) == (4 if name == "crc32" else hashlib.new(name).digest_size)


@given(st.text(max_size=10), st.text(max_size=40))
def test_an_unknown_algorithm_is_not_a_digest(name: str, value: str) -> None:
    assert not is_digest(f"x{name}", value)


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=5))
def test_a_growing_file_is_digested(data: bytes, steps: list[int]) -> None:
    descriptor = os.memfd_create("growing")
    try:
        digester = Digester(descriptor, {"md5", "sha1", "sha256", "sha512", "crc32"})
        for step in sorted(min(step, len(data)) for step in steps):
            os.pwrite(descriptor, data[:step], 0)
            digester.digest_up_to(step)
        os.pwrite(descriptor, data, 0)
        digests = digester.finish(len(data))
    finally:
        os.close(descriptor)
    assert digests.pop("crc32") == zlib.crc32(data).to_bytes(4, "big")
    assert digests == {name: hashlib.new(name, data).digest() for name in ("md5", "sha1", "sha256", "sha512")}


def test_a_file_that_shrank_is_an_error() -> None:
    descriptor = os.memfd_create("shrunk")
    try:
        with pytest.raises(OSError, match="shrank"):
            Digester(descriptor, {"sha256"}).finish(1)
    finally:
        os.close(descriptor)


def test_without_algorithms_nothing_is_read() -> None:
    assert Digester(-1, set()).finish(1 << 40) == {}
