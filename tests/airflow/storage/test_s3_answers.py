"""What AWS answers and nanio does not: encryption, checksums, versions, conditions, and errors in the middle."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from impact_jobs import DestinationExistsError, DownloadError, IntegrityError, JobsError
from s3fs.errors import translate_boto_error

from tests.airflow.storage.conftest import Attached
from tests.airflow.storage.stores import BUCKET, MEBIBYTE, Bytes, FileMemory

Made = Callable[[str, int], Bytes]
PART = MEBIBYTE
URL = f"s3://{BUCKET}/a.csv"


class Aws:
    """An S3 filesystem in memory that encrypts (so that entity tags are no MD5) and keeps versions."""

    def __init__(self, *, checksums: bool = True, parts_per_page: int = 2) -> None:
        self.checksums, self.parts_per_page = checksums, parts_per_page
        self.uploads: dict[str, dict[int, tuple[bytes, str]]] = {}
        self.versions: list[bytes] = []
        self.calls: list[str] = []
        self.errors: dict[str, str] = {}
        self._lock = threading.Lock()

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _, key = path.partition("/")
        return bucket, key, None

    def _strip_protocol(self, path: str) -> str:
        return path

    def invalidate_cache(self) -> None:
        pass

    def info(self, path: str) -> dict[str, Any]:
        if not self.versions:
            raise FileNotFoundError(path)
        return {"type": "file", "size": len(self.versions[-1]), "ETag": f'"{len(self.versions)}-kms"'}

    def cat_file(self, _: str, *, start: int, end: int) -> bytes:
        return self.versions[-1][start:end]

    def call_s3(self, operation: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            self.calls.append(operation)
            if operation in self.errors:
                fail(self.errors[operation], operation)
            if "UploadId" in arguments and arguments["UploadId"] not in self.uploads:
                fail("NoSuchUpload", operation)
            answer: dict[str, Any] = getattr(self, f"_{operation}")(arguments)
            return answer

    def _head_bucket(self, _: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _list_multipart_uploads(self, _: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _create_multipart_upload(self, _: dict[str, Any]) -> dict[str, Any]:
        self.uploads["u1"] = {}
        return {"UploadId": "u1"}

    def _abort_multipart_upload(self, given: dict[str, Any]) -> dict[str, Any]:
        del self.uploads[given["UploadId"]]
        return {}

    def _upload_part(self, given: dict[str, Any]) -> dict[str, Any]:
        self.uploads[given["UploadId"]][given["PartNumber"]] = given["Body"], given["ChecksumSHA256"]
        return self._part(given["PartNumber"], given["ChecksumSHA256"])

    def _list_parts(self, given: dict[str, Any]) -> dict[str, Any]:
        parts = sorted(self.uploads[given["UploadId"]].items())
        rest = [(number, part) for number, part in parts if number > given.get("PartNumberMarker", 0)]
        page = rest[: self.parts_per_page]
        listed = [
            self._part(number, sha256) | {"PartNumber": number, "Size": len(body)} for number, (body, sha256) in page
        ]
        is_truncated = len(rest) > len(page)
        return {"Parts": listed, "IsTruncated": is_truncated} | (
            {"NextPartNumberMarker": page[-1][0]} if is_truncated else {}
        )

    def _complete_multipart_upload(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("IfNoneMatch") and self.versions:
            fail("PreconditionFailed", "complete_multipart_upload")
        parts = self.uploads.pop(given["UploadId"])
        expected = [
            {"PartNumber": number} | self._part(number, sha256) for number, (_, sha256) in sorted(parts.items())
        ]
        assert given["MultipartUpload"]["Parts"] == expected
        return self._store(b"".join(body for _, (body, _) in sorted(parts.items())))

    def _put_object(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("IfNoneMatch") and self.versions:
            fail("PreconditionFailed", "put_object")
        return self._store(given["Body"])

    def _delete_object(self, given: dict[str, Any]) -> dict[str, Any]:
        del self.versions[int(given["VersionId"]) - 1]
        return {}

    def _store(self, body: bytes) -> dict[str, Any]:
        self.versions.append(body)
        return {"ETag": f'"{len(self.versions)}-kms"', "VersionId": str(len(self.versions))}

    def _part(self, number: int, sha256: str) -> dict[str, Any]:
        return {"ETag": f'"kms-{number}"'} | ({"ChecksumSHA256": sha256} if self.checksums else {})


def fail(code: str, operation: str) -> None:
    raise translate_boto_error(ClientError({"Error": {"Code": code, "Message": f"{code} happened"}}, operation))


@pytest.mark.parametrize(("checksums", "sent"), [(True, 0), (False, 6)])
def test_parts_are_recognised_by_checksums_and_never_by_a_tag_that_is_no_md5(
    *,
    attached: Attached,
    made: Made,
    memory: FileMemory,
    checksums: bool,
    sent: int,
) -> None:
    file, fs = made("file", 6 * PART), Aws(checksums=checksums)
    destination = attached(URL, fs, part_bytes=PART)
    fs.errors["complete_multipart_upload"] = "InternalError"
    with pytest.raises(DownloadError, match="InternalError happened"):
        destination.put(file.path, sha256=file.sha256, memory=memory)
    fs.errors.clear()
    fs.calls.clear()
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert fs.calls.count("upload_part") == sent
    assert fs.versions == [file.path.read_bytes()]


def test_a_damaged_version_is_deleted_and_the_one_before_stays(
    attached: Attached, made: Made, memory: FileMemory
) -> None:
    file, fs = made("file", 10), Aws()
    fs.versions = [b"old"]
    with pytest.raises(IntegrityError):
        attached(URL, fs).put(file.path, sha256="0" * 64, memory=memory)
    assert fs.versions == [b"old"]


@pytest.mark.parametrize("size", [10, 3 * PART])
def test_another_writer_that_was_first_is_not_replaced(
    attached: Attached, made: Made, memory: FileMemory, size: int
) -> None:
    file, fs = made("file", size), Aws()
    destination = attached(URL, fs, part_bytes=PART)

    class Late(Aws):
        def info(self, path: str) -> dict[str, Any]:
            if not self.versions:
                self.versions.append(b"another's")  # just after the question
                raise FileNotFoundError(path)
            return super().info(path)

    fs.__class__ = Late
    with pytest.raises(DestinationExistsError):
        destination.put(file.path, sha256=file.sha256, memory=memory, overwrite=False)
    assert fs.versions == [b"another's"]
    assert fs.uploads == {}


@pytest.mark.parametrize(
    ("operation", "code", "kind", "is_kept"),
    [
        ("create_multipart_upload", "AccessDenied", "PermissionDeniedError", False),
        ("create_multipart_upload", "NoSuchBucket", "ConfigurationError", False),
        ("create_multipart_upload", "KeyTooLongError", "ConfigurationError", False),
        ("upload_part", "SlowDown", "DownloadError", True),
        ("upload_part", "ExpiredToken", "DownloadError", True),
        ("upload_part", "BadDigest", "DownloadError", True),
        ("complete_multipart_upload", "InvalidPart", "DownloadError", False),
        ("complete_multipart_upload", "InternalError", "DownloadError", True),
    ],
)
def test_an_error_says_whether_trying_again_can_help(
    *,
    attached: Attached,
    made: Made,
    memory: FileMemory,
    operation: str,
    code: str,
    kind: str,
    is_kept: bool,
) -> None:
    file, fs = made("file", 3 * PART), Aws()
    fs.errors[operation] = code
    destination = attached(URL, fs, part_bytes=PART)
    with pytest.raises(JobsError) as caught:
        destination.put(file.path, sha256=file.sha256, memory=memory)
    assert type(caught.value).__name__ == kind
    assert URL in str(caught.value)
    assert fs.versions == []
    assert bool(fs.uploads) == is_kept
    fs.errors.clear()
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert hashlib.sha256(fs.versions[0]).hexdigest() == file.sha256
    assert fs.uploads == {}


def test_uploads_that_others_abort_end_with_one_line(attached: Attached, made: Made, memory: FileMemory) -> None:
    file, fs = made("file", 3 * PART), Aws()
    fs.errors["upload_part"] = "NoSuchUpload"
    with pytest.raises(DownloadError, match="another process aborts its uploads"):
        attached(URL, fs, part_bytes=PART).put(file.path, sha256=file.sha256, memory=memory)
    assert fs.calls.count("create_multipart_upload") == 3


def test_queries_of_signed_urls_are_not_shown(attached: Attached, made: Made, memory: FileMemory) -> None:
    class Talkative(Aws):
        def call_s3(self, operation: str, **_: Any) -> dict[str, Any]:
            raise OSError(5, f"{operation} https://user:pass@host/a.csv?X-Amz-Signature=secret\nfailed")

    file = made("file", 10)
    with pytest.raises(DownloadError) as caught:
        attached(URL, Talkative()).put(file.path, sha256=file.sha256, memory=memory)
    for secret in ("X-Amz", "secret", "pass", "\n"):
        assert secret not in str(caught.value)
