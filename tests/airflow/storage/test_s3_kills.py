from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.airflow.storage.conftest import Attached
from tests.airflow.storage.stores import BUCKET, MEBIBYTE, Bytes, FileMemory, HookedS3, S3Server

ROOT = Path(__file__).resolve().parents[3]
PART, PARTS = MEBIBYTE, 8
SIZE = PARTS * PART - 1
OLD = b"what was there before"

# When, which call, which of them, and how many parts the store may have then: four are sent at once.
MOMENTS = [
    ("before", "create_multipart_upload", 1, None),
    ("record", "-", 0, (0, 0)),
    ("before", "upload_part", 1, (0, 3)),
    ("after", "upload_part", 1, (1, 4)),
    ("before", "upload_part", 6, (2, 5)),
    ("after", "upload_part", 8, (5, 8)),
    ("before", "complete_multipart_upload", 1, (PARTS, PARTS)),
    ("after", "complete_multipart_upload", 1, "complete"),
    ("verification", "-", 0, "complete"),
]


@pytest.mark.parametrize(
    ("moment", "operation", "count", "expected", "old"),
    [(*moment, OLD if index % 2 else None) for index, moment in enumerate(MOMENTS)],
)
def test_a_killed_upload_goes_on_and_shows_no_part_of_a_file(
    *,
    s3: S3Server,
    fs: HookedS3,
    attached: Attached,
    made: Callable[[str, int], Bytes],
    memory: FileMemory,
    key: str,
    moment: str,
    operation: str,
    count: int,
    expected: tuple[int, int] | str | None,
    old: bytes | None,
) -> None:
    file, whole = made("file", SIZE), old
    if old is not None:
        s3.client.put_object(Bucket=BUCKET, Key=key, Body=old)
    uri = f"s3://{BUCKET}/{key}"
    upload = [sys.executable, "-m", "tests.airflow.storage.killed_upload", s3.url, uri, str(file.path), file.sha256]
    upload += [str(memory.path), str(PART), moment, operation, str(count)]
    killed = subprocess.run(upload, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    least = most = 0  # parts that the store has
    if expected == "complete":
        least, most, whole = PARTS, PARTS, file.path.read_bytes()
    elif isinstance(expected, tuple):
        # The store may still be reading what the process sent last.
        least, most = max(expected[0], s3.parts(key)), expected[1]
    assert s3.body(key) == whole

    attached(uri, fs, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    sent = fs.counts["upload_part"]
    print(f"killed {moment} {operation} {count}: the second run sent {sent} of {PARTS} parts")  # noqa: T201 - pytest shows it
    assert PARTS - most <= sent <= PARTS - least
    assert s3.body(key) == file.path.read_bytes()
    assert not s3.uploads(key)
    assert memory.get() is None
