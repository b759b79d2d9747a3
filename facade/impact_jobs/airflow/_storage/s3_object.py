"""One object of an S3 store: the calls of its API that an upload needs, over the filesystem's own client."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from impact_jobs.airflow._storage.location import Location
from impact_jobs.airflow._storage.store_errors import code_of
from impact_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@frozen(kw_only=True)
class Written:
    """What the store has called the object that it made of our upload.

    Attributes:
        etag: Its entity tag, which is not an MD5 if the store encrypts with keys of its own.
        version_id: Its version, if the bucket has versions.
    """

    etag: str | None
    version_id: str | None


@frozen(kw_only=True)
class Part:
    """The digests of some bytes, as S3's API spells them.

    Attributes:
        size: Their number.
        md5: The MD5, in hexadecimal; the entity tag of a part unless the store encrypts with keys of its own.
        content_md5: The MD5, in base64.
        sha256: The SHA-256, in base64.
    """

    size: int
    md5: str
    content_md5: str
    sha256: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Compute the digests."""
        md5 = hashlib.md5(body, usedforsecurity=False)
        sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return cls(
            size=len(body), md5=md5.hexdigest(), content_md5=base64.b64encode(md5.digest()).decode(), sha256=sha256
        )

    def is_stored_as(self, listed: dict[str, Any] | None) -> bool:
        """Return whether an entry of ListParts is about these bytes: by their SHA-256 if it has one, else their MD5."""
        if listed is None or listed.get("Size") != self.size:
            return False
        if "ChecksumSHA256" in listed:
            return bool(listed["ChecksumSHA256"] == self.sha256)
        return str(listed.get("ETag", "")).strip('"') == self.md5


@frozen(kw_only=True)
class S3Object:
    """An object, which need not exist.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    """

    _fs: AbstractFileSystem
    _bucket: str
    _key: str

    @classmethod
    def at(cls, fs: AbstractFileSystem, location: Location) -> Self:
        """Return the object at a location.

        Raises:
            ConfigurationError: The filesystem would read a part of the name as a version.
        """
        bucket, key, _ = fs.split_path(location.path)
        if f"{bucket}/{key}" != location.path:
            raise ConfigurationError(f"{location.uri}: s3fs does not accept this name: choose another.")
        return cls(fs=fs, bucket=bucket, key=key)

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - those of the operation
        """Call an operation about this object; the filesystem retries what may pass."""
        answer: dict[str, Any] = self._fs.call_s3(operation, Bucket=self._bucket, Key=self._key, **arguments)
        return answer

    def bucket_exists(self) -> bool:
        """Return False if the bucket is missing; True also if the store does not say."""
        try:
            self._fs.call_s3("head_bucket", Bucket=self._bucket)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def put(self, body: bytes, **conditions: str) -> Written:
        """Store an object in one request; the store compares the checksums before the object appears."""
        part = Part.of(body)
        answer = self.call(
            "put_object",
            Body=body,
            ContentMD5=part.content_md5,
            ChecksumSHA256=part.sha256,
            **self._content_type(),
            **conditions,
        )
        return Written(etag=answer.get("ETag"), version_id=answer.get("VersionId"))

    def create_upload(self) -> str:
        """Begin a multipart upload and return its id."""
        answer = self.call("create_multipart_upload", ChecksumAlgorithm="SHA256", **self._content_type())
        return str(answer["UploadId"])

    def parts_of(self, upload_id: str) -> dict[int, dict[str, Any]]:
        """Return the parts that the store has, by their numbers."""
        found: dict[int, dict[str, Any]] = {}
        marker = 0
        while True:
            answer = self.call("list_parts", UploadId=upload_id, **({"PartNumberMarker": marker} if marker else {}))
            found |= {entry["PartNumber"]: entry for entry in answer.get("Parts", [])}
            if not answer.get("IsTruncated"):
                return found
            marker = int(answer["NextPartNumberMarker"])

    def put_part(self, upload_id: str, number: int, body: bytes, part: Part) -> dict[str, Any]:
        """Send a part and return what to state about it in the end; the store compares the checksums."""
        answer = self.call(
            "upload_part",
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            ContentMD5=part.content_md5,
            ChecksumSHA256=part.sha256,
        )
        return stated(number, answer)

    def complete(self, upload_id: str, parts: list[dict[str, Any]], **conditions: str) -> Written:
        """Make the object from its parts."""
        answer = self.call(
            "complete_multipart_upload", UploadId=upload_id, MultipartUpload={"Parts": parts}, **conditions
        )
        return Written(etag=answer.get("ETag"), version_id=answer.get("VersionId"))

    def abort(self, upload_id: str) -> None:
        """Remove an upload and its parts, if it is there and the store allows it."""
        with suppress(OSError):
            self.call("abort_multipart_upload", UploadId=upload_id)

    def uploads_since(self, moment: datetime) -> Iterator[str]:
        """Yield the ids of this object's unfinished uploads that began at or after an aware moment."""
        answer = self._fs.call_s3("list_multipart_uploads", Bucket=self._bucket, Prefix=self._key)
        for entry in answer.get("Uploads", []):
            if entry["Key"] == self._key and entry["Initiated"] >= moment:
                yield str(entry["UploadId"])

    def delete(self, written: Written) -> None:
        """Delete the version that was written; without versions, what is there."""
        self.call("delete_object", **({"VersionId": written.version_id} if written.version_id else {}))

    def _content_type(self) -> dict[str, str]:
        kind, encoding = guess_type(f"/{self._key.rpartition('/')[2]}", strict=False)
        return {"ContentType": kind} if kind and not encoding else {}


def stated(number: int, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what CompleteMultipartUpload needs to be told about a part: the store's own words."""
    checksum = {"ChecksumSHA256": answer["ChecksumSHA256"]} if "ChecksumSHA256" in answer else {}
    return {"PartNumber": number, "ETag": answer["ETag"], **checksum}


def is_gone(error: BaseException) -> bool:
    """Return whether the store says that a multipart upload is not there: it was completed or aborted."""
    return code_of(error) == "NoSuchUpload"
