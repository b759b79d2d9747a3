"""What the tests of uploads share: an S3 filesystem with hooks, a memory in a file, and bytes to upload."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from attrs import field, frozen
from s3fs import S3FileSystem

MEBIBYTE = 1024 * 1024
BUCKET = "results"
ACCESS, SECRET = "results", "secret-of-the-bucket"


@frozen
class FileMemory:
    """A memory that survives the process."""

    path: Path

    def get(self) -> dict[str, Any] | None:
        return json.loads(self.path.read_text()) if self.path.exists() else None

    def set(self, value: dict[str, Any]) -> None:
        self.path.write_text(json.dumps(value))

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


@frozen
class Bytes:
    """Bytes in a file on this machine."""

    path: Path
    sha256: str
    size: int

    @classmethod
    def made(cls, path: Path, size: int) -> Bytes:
        body = random.Random(seed_of(path.name)).randbytes(size)  # noqa: S311 - not a secret
        path.write_bytes(body)
        return cls(path, hashlib.sha256(body).hexdigest(), size)


def seed_of(name: str) -> int:
    seed = zlib.crc32(name.encode())
    print(f"seed {seed} ({name})")  # noqa: T201 - pytest shows it if the test fails
    return seed


@frozen(kw_only=True)
class S3Server:
    """nanio on loopback, and a client that has nothing to do with the filesystem under test."""

    url: str
    client: Any = field(repr=False)

    @classmethod
    def at(cls, url: str) -> S3Server:
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET, region_name="us-east-1"
        )
        return cls(url=url, client=client)

    def body(self, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def uploads(self, key: str) -> list[str]:
        listed = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [entry["UploadId"] for entry in listed if entry["Key"] == key]

    def parts(self, key: str) -> int:
        """Return how many parts the only unfinished upload of a key has."""
        [upload_id] = self.uploads(key)
        return len(self.client.list_parts(Bucket=BUCKET, Key=key, UploadId=upload_id).get("Parts", []))


class HookedS3(S3FileSystem):
    """An S3 filesystem that counts the calls of an upload, and runs a function before or after one of them."""

    cachable = False

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(key=ACCESS, secret=SECRET, endpoint_url=url, **options)
        self.counts: Counter[str] = Counter()
        self._hooks: list[tuple[str, int, str, Callable[[], None]]] = []
        self._lock = threading.Lock()

    def at(self, operation: str, count: int, moment: str, hook: Callable[[], None]) -> None:
        """Run `hook` before or after the call of an operation with this number, from 1."""
        self._hooks.append((operation, count, moment, hook))

    def call_s3(self, operation: str, *arguments: Any, **keywords: Any) -> Any:
        with self._lock:
            self.counts[operation] += 1
            count = self.counts[operation]
        self._run(operation, count, "before")
        answer = super().call_s3(operation, *arguments, **keywords)
        self._run(operation, count, "after")
        return answer

    def _run(self, operation: str, count: int, moment: str) -> None:
        for hook in [hook for *when, hook in self._hooks if tuple(when) == (operation, count, moment)]:
            hook()
