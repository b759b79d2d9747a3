"""The checksums that storages state, and the digests that they are compared with."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import zlib
from collections.abc import Mapping
from typing import Protocol

from impact_jobs._download.filesystem import read_at
from impact_jobs._transport.headers import content_codings

_READ_BYTES = 1024 * 1024

_DIGEST_BYTES = {"crc32": 4, "md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
_AMZ = "x-amz-checksum-"


class _Digest(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def stated_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums of the whole file, in base64 by algorithm, that the storage states and this module computes.

    They are read from `Content-MD5`, Google's `x-goog-hash`, Amazon's `x-amz-checksum-*`, `Repr-Digest` and the older
    `Digest`. Not used: checksums of Amazon's multipart uploads (`…-2`), CRC32C, which no dependency can compute, and
    entity tags, which are digests at some storages only.
    """
    if content_codings(headers):
        return {}
    found: dict[str, str] = {}
    # In a partial response, Content-MD5 may be that of the part alone.
    if "content-range" not in headers and "content-md5" in headers:
        found["md5"] = headers["content-md5"]
    found |= {name.removeprefix(_AMZ): value for name, value in headers.items() if name.startswith(_AMZ)}
    fields = ["repr-digest", "digest"]
    # When Google decompresses a stored gzip file, it states the hash of the compressed one.
    if not content_codings(headers, "x-goog-stored-content-encoding"):
        fields.append("x-goog-hash")
    for field in fields:
        for entry in headers.get(field, "").split(","):
            name, _, value = entry.strip().partition("=")
            found[name.lower().replace("sha-", "sha")] = value.strip(":")
    return {name: value for name, value in found.items() if is_digest(name, value)}


def is_digest(name: str, value: str) -> bool:
    """Return whether `value` is the base64 of a checksum that can be computed here."""
    # Some storages state it in hex, which is valid base64 of another length.
    try:
        return len(base64.b64decode(value, validate=True)) == _DIGEST_BYTES.get(name)
    except (binascii.Error, ValueError):
        return False


class Digester:
    """Digests a growing file from its beginning.

    It reads the file back from the page cache, and so does not depend on the order in which the bytes arrive.
    """

    def __init__(self, descriptor: int, algorithms: set[str]) -> None:
        self.position = 0
        self.digests: dict[str, _Digest] = {
            name: _Crc32() if name == "crc32" else hashlib.new(name, usedforsecurity=False) for name in algorithms
        }
        self._descriptor = descriptor
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def digest_up_to(self, stop: int) -> None:
        """Read the file from `position` up to `stop`."""
        while self.digests and self.position < stop:
            wanted = min(_READ_BYTES, stop - self.position)
            count = read_at(self._descriptor, self._buffer[:wanted], self.position)
            if count == 0:
                raise OSError(errno.EIO, "the file shrank while it was written")
            for digest in self.digests.values():
                digest.update(self._buffer[:count])
            self.position += count

    def finish(self, length: int) -> dict[str, bytes]:
        """Digest the rest of the file and return the digests by algorithm."""
        self.digest_up_to(length)
        return {name: digest.digest() for name, digest in self.digests.items()}
