from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from impact_jobs import DestinationExistsError, DownloadError, IntegrityError
from impact_jobs.airflow._storage.s3_upload import part_bytes_for

from tests.airflow.storage.conftest import Attached
from tests.airflow.storage.stores import BUCKET, MEBIBYTE, Bytes, FileMemory, HookedS3, S3Server

Made = Callable[[str, int], Bytes]
SIZE, PART, PARTS = 5 * MEBIBYTE + 1, MEBIBYTE, 6


def stop() -> None:
    raise OSError(5, "the network is down")


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART, SIZE])
def test_a_file_of_any_size_arrives(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str, size: int
) -> None:
    file = made("file", size)
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    assert not destination.exists()
    assert destination.sha256() is None
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert s3.body(key) == file.path.read_bytes()
    assert destination.exists()
    assert destination.sha256() == file.sha256
    assert memory.get() is None
    assert not s3.uploads(key)
    assert fs.counts["upload_part"] == (-(-size // PART) if size > PART else 0)


@pytest.mark.parametrize(
    "name", ["a b.csv", "äöü €.csv", "a+b.csv", "a#b.csv", "a?b=c.csv", "a#b?c.csv", "x/a&b;c'd\"e.csv"]
)
@pytest.mark.parametrize("size", [10, 2 * PART])
def test_a_name_is_taken_literally(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str, name: str, size: int
) -> None:
    file = made("file", size)
    folder = hashlib.sha256(key.encode()).hexdigest()[:8]
    attached(f"s3://{BUCKET}/{folder}/{name}", fs, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    listed = s3.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{folder}/")
    assert [entry["Key"] for entry in listed["Contents"]] == [f"{folder}/{name}"]
    assert s3.body(f"{folder}/{name}") == file.path.read_bytes()


def test_existence_is_asked_anew(s3: S3Server, fs: HookedS3, attached: Attached, key: str) -> None:
    destination = attached(f"s3://{BUCKET}/cached/{key}", fs)
    s3.client.put_object(Bucket=BUCKET, Key="cached/other", Body=b"")
    fs.ls(f"{BUCKET}/cached")  # the filesystem keeps this list
    s3.client.put_object(Bucket=BUCKET, Key=f"cached/{key}", Body=b"abc")
    assert destination.exists()
    fs.ls(f"{BUCKET}/cached", refresh=True)
    s3.client.delete_object(Bucket=BUCKET, Key=f"cached/{key}")
    assert not destination.exists()


def test_a_folder_of_the_same_name_is_no_file(s3: S3Server, fs: HookedS3, attached: Attached, key: str) -> None:
    s3.client.put_object(Bucket=BUCKET, Key=f"{key}/inside", Body=b"abc")
    destination = attached(f"s3://{BUCKET}/{key}", fs)
    assert not destination.exists()
    assert destination.sha256() is None


def test_a_failed_upload_goes_on(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    fs.at("upload_part", 5, "before", stop)
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    with pytest.raises(DownloadError, match="the network is down") as caught:
        destination.put(file.path, sha256=file.sha256, memory=memory)
    assert type(caught.value) is DownloadError
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert s3.body(key) is None
    kept = s3.parts(key)
    assert 0 < kept < PARTS
    again = HookedS3(s3.url)
    # The size of the parts stays, also if the default has changed.
    attached(f"s3://{BUCKET}/{key}", again, part_bytes=2 * PART).put(file.path, sha256=file.sha256, memory=memory)
    assert again.counts["create_multipart_upload"] == 0
    assert again.counts["upload_part"] == PARTS - kept
    assert s3.body(key) == file.path.read_bytes()
    assert not s3.uploads(key)


def test_a_part_that_differs_is_sent_again(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    fs.at("complete_multipart_upload", 1, "before", stop)
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    with pytest.raises(DownloadError):
        destination.put(file.path, sha256=file.sha256, memory=memory)
    [upload_id] = s3.uploads(key)
    about = {"Bucket": BUCKET, "Key": key, "UploadId": upload_id}
    s3.client.upload_part(**about, PartNumber=2, Body=b"x" * PART)  # as long, but other bytes
    s3.client.upload_part(**about, PartNumber=3, Body=b"shorter")
    again = HookedS3(s3.url)
    attached(f"s3://{BUCKET}/{key}", again).put(file.path, sha256=file.sha256, memory=memory)
    assert again.counts["upload_part"] == 2
    assert s3.body(key) == file.path.read_bytes()


def test_another_file_aborts_the_upload_of_the_first(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    first, second = made("first", SIZE), made("second", SIZE)
    fs.at("upload_part", 3, "before", stop)
    with pytest.raises(DownloadError):
        attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART).put(first.path, sha256=first.sha256, memory=memory)
    assert s3.uploads(key)
    again = HookedS3(s3.url)
    attached(f"s3://{BUCKET}/other-{key}", again, part_bytes=PART).put(second.path, sha256=second.sha256, memory=memory)
    assert not s3.uploads(key)
    assert again.counts["upload_part"] == PARTS
    assert s3.body(f"other-{key}") == second.path.read_bytes()


def test_an_abandoned_upload_is_aborted(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    fs.at("upload_part", 3, "before", stop)
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    with pytest.raises(DownloadError):
        destination.put(file.path, sha256=file.sha256, memory=memory)
    destination.abandon(memory)
    assert not s3.uploads(key)
    assert memory.get() is None


def test_an_upload_that_the_store_has_removed_begins_anew(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    fs.at("upload_part", 3, "before", stop)
    with pytest.raises(DownloadError):
        attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    [upload_id] = s3.uploads(key)
    s3.client.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)
    again = HookedS3(s3.url)
    attached(f"s3://{BUCKET}/{key}", again, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    assert again.counts["upload_part"] == PARTS
    assert s3.body(key) == file.path.read_bytes()


def test_a_completion_whose_answer_was_lost_counts(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    fs.at("complete_multipart_upload", 1, "after", stop)
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    with pytest.raises(DownloadError):
        destination.put(file.path, sha256=file.sha256, memory=memory)
    again = HookedS3(s3.url)
    attached(f"s3://{BUCKET}/{key}", again, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    assert again.counts["upload_part"] == 0
    assert memory.get() is None


@pytest.mark.parametrize("size", [10, SIZE])
def test_damaged_bytes_are_deleted(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str, size: int
) -> None:
    file = made("file", size)
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    with pytest.raises(IntegrityError, match="was deleted"):
        destination.put(file.path, sha256="0" * 64, memory=memory)
    assert s3.body(key) is None
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert s3.body(key) == file.path.read_bytes()


def test_the_store_refuses_a_damaged_object(
    *, s3: S3Server, attached: Attached, made: Made, memory: FileMemory, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fs = made("file", 10), HookedS3(s3.url, config_kwargs={"retries": {"max_attempts": 0}})

    def damaged(self: HookedS3, operation: str, **arguments: Any) -> Any:
        return original(self, operation, **arguments | {"Body": b"0123456789"})

    original = HookedS3.call_s3
    monkeypatch.setattr(HookedS3, "call_s3", damaged)
    with pytest.raises(DownloadError, match="Content-MD5"):
        attached(f"s3://{BUCKET}/{key}", fs).put(file.path, sha256=file.sha256, memory=memory, verify=False)
    assert s3.body(key) is None


def test_the_object_of_another_writer_stays(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    fs.at(
        "complete_multipart_upload",
        1,
        "after",
        lambda: s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"x" * SIZE),
    )
    with pytest.raises(DestinationExistsError, match="another writer"):
        attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    assert s3.body(key) == b"x" * SIZE


def test_a_file_that_exists_is_replaced_only_if_allowed(
    *, s3: S3Server, fs: HookedS3, attached: Attached, made: Made, memory: FileMemory, key: str
) -> None:
    file = made("file", SIZE)
    s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"old")
    destination = attached(f"s3://{BUCKET}/{key}", fs, part_bytes=PART)
    with pytest.raises(DestinationExistsError, match="overwrite=True"):
        destination.put(file.path, sha256=file.sha256, memory=memory, overwrite=False)
    assert s3.body(key) == b"old"
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert s3.body(key) == file.path.read_bytes()
    before = fs.counts["upload_part"]
    destination.put(file.path, sha256=file.sha256, memory=memory, overwrite=False)
    assert fs.counts["upload_part"] == before


def test_a_file_has_at_most_ten_thousand_parts() -> None:
    terabyte = 1024 * 1024 * MEBIBYTE
    for size in (0, 1, 32 * MEBIBYTE, 1024 * MEBIBYTE, 312 * 1024 * MEBIBYTE, 320_000 * MEBIBYTE + 1, 5 * terabyte):
        part_bytes = part_bytes_for(size)
        assert part_bytes >= 32 * MEBIBYTE
        assert part_bytes % MEBIBYTE == 0
        assert -(-size // part_bytes) <= 10_000
