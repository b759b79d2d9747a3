"""A file's destination: what is there, and the upload that puts our file there, whole or not at all."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import field, frozen

from impact_jobs.airflow._storage import s3_upload, whole_files
from impact_jobs.airflow._storage.filesystems import filesystem
from impact_jobs.airflow._storage.location import Location, parse
from impact_jobs.airflow._storage.memory import UploadMemory
from impact_jobs.airflow._storage.s3_object import S3Object, Written
from impact_jobs.airflow._storage.store_errors import translate
from impact_jobs.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    IntegrityError,
    JobsError,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

logger: Final = logging.getLogger("impact_jobs")

_TRIES: Final = 3
_READ_BYTES: Final = 16 * 1024 * 1024
# What the filesystems call the version of an object; those that lack all of these have the time of the last change.
_VERSION: Final = (
    "ETag",
    "etag",
    "generation",
    "VersionId",
    "LastModified",
    "last_modified",
    "mtime",
    "created",
    "size",
)


@frozen(kw_only=True)
class Destination:
    """A file in a store, or on this machine.

    Attributes:
        uri: Its URL without the connection, such as "s3://bucket/folder/name.csv".
        is_local: Whether it is on this machine.

    Example:
        >>> destination = Destination.create("s3://reports/may.csv", "aws_reports")
        >>> if destination.sha256() != result.sha256:
        ...     destination.put(spooled, sha256=result.sha256, memory=memory)
    """

    _location: Location
    _fs: AbstractFileSystem = field(repr=False)
    _path: str = field(repr=False)
    _part_bytes: int = field(default=s3_upload.PART_BYTES, repr=False)

    @classmethod
    def create(cls, path: str, conn_id: str | None = None) -> Self:
        """Find the filesystem of a path.

        Args:
            path: A path on this machine, or a URL such as "s3://bucket/name.csv".
            conn_id: The Airflow connection, unless the URL names it ("s3://conn_id@bucket/name.csv").

        Raises:
            ConfigurationError: The path does not name a file, or the provider, its extra or the connection is missing.
                What to do: correct what the message names.
        """
        location = parse(path, conn_id)
        fs = filesystem(location)
        if location.is_local:
            return cls(location=location, fs=fs, path=location.path)
        stripped = str(fs._strip_protocol(location.path if location.has_bucket else location.uri))  # noqa: SLF001 - part of fsspec's interface in all but name
        if location.has_bucket and stripped.lstrip("/") != location.path:
            raise ConfigurationError(f"{location.uri}: {type(fs).__name__} does not accept this name: choose another.")
        return cls(location=location, fs=fs, path=stripped)

    @property
    def uri(self) -> str:
        """The URL without the connection."""
        return self._location.uri

    @property
    def name(self) -> str:
        """The last part of the path, such as "may.csv"."""
        return self._location.name

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine."""
        return self._location.is_local

    @property
    def local_path(self) -> Path:
        """The absolute path of a file on this machine."""
        if not self.is_local:
            raise ValueError(f"{self.uri} is not on this machine")
        return Path(self._location.path)

    def exists(self) -> bool:
        """Return whether a file is there, by a new request.

        Raises:
            ConfigurationError: The bucket is missing.
            PermissionDeniedError: The connection may not read or list there.
            DownloadError: The store did not answer; another try may succeed.
        """
        return translate(self._info, doing="read", location=self._location) is not None

    def sha256(self) -> str | None:
        """Return the SHA-256 of what is there, read back, in lower-case hexadecimal; None if nothing is there.

        Raises:
            JobsError: As for `exists`.
        """
        return translate(self._sha256, doing="read", location=self._location)

    def put(
        self, source: Path, *, sha256: str, memory: UploadMemory, verify: bool = True, overwrite: bool = True
    ) -> None:
        """Upload a file; go on where an earlier try with the same memory and the same file stopped.

        Args:
            source: A file on this machine, which must not change meanwhile.
            sha256: Its SHA-256, in lower-case hexadecimal.
            memory: What an earlier try has remembered, and the next one will need.
            verify: Whether to read the object back and compare its SHA-256; its size is always compared.
            overwrite: Whether to replace a file.

        Raises:
            IntegrityError: The store holds other bytes; they were deleted. What to do: try again.
            DestinationExistsError: A file is there, or another writer has replaced ours.
            ConfigurationError: The bucket is missing, or the store refuses the name.
            PermissionDeniedError: The connection may not write there.
            DownloadError: The upload failed; another try with the same memory goes on.
        """

        def put() -> None:
            if not overwrite and self._info() is not None:
                if not self._holds(sha256=sha256, size=size):
                    raise DestinationExistsError(f"{self.uri} exists: pass overwrite=True, or choose another path.")
                self.abandon(memory)  # an earlier try was killed after its upload
                return
            written = self._upload(source, sha256=sha256, memory=memory, overwrite=overwrite)
            self._check(written, sha256=sha256 if verify else None, size=size)
            memory.delete()

        size = source.stat().st_size
        translate(put, doing="written", location=self._location)

    def abandon(self, memory: UploadMemory) -> None:
        """Remove what an earlier try has left, if no further one follows; a file under the final name stays."""
        saved = memory.get()
        if saved is not None:
            self._discard(saved)
            memory.delete()

    def _upload(self, source: Path, *, sha256: str, memory: UploadMemory, overwrite: bool) -> Written | None:
        saved = memory.get()
        target = self._s3()
        if saved is not None and not (target and s3_upload.is_about(saved, uri=self.uri, sha256=sha256)):
            self._discard(saved)
            memory.delete()
        if target is not None:
            return self._upload_to_s3(target, source, sha256=sha256, memory=memory, overwrite=overwrite)
        if self._location.has_bucket:
            whole_files.put_at_once(self._fs, self._location, source, overwrite=overwrite)
        else:
            whole_files.put_and_rename(
                self._fs, self._location, source, path=self._path, memory=memory, overwrite=overwrite
            )
        return None

    def _upload_to_s3(
        self, target: S3Object, source: Path, *, sha256: str, memory: UploadMemory, overwrite: bool
    ) -> Written | None:
        for _ in range(_TRIES):
            written = s3_upload.upload(
                target,
                source,
                uri=self.uri,
                sha256=sha256,
                memory=memory,
                overwrite=overwrite,
                part_bytes=self._part_bytes,
            )
            if written is not None:
                return written
            if self._holds(sha256=sha256, size=source.stat().st_size):
                return None
        raise DownloadError(f"{self.uri} could not be written: another process aborts its uploads. Try again.")

    def _holds(self, *, sha256: str, size: int) -> bool:
        """Return whether exactly this file is there; it is read only if the size, in bytes, is the same."""
        info = self._info()
        return info is not None and info["size"] == size and self._sha256(info) == sha256

    def _check(self, written: Written | None, *, sha256: str | None, size: int) -> None:
        """Compare what is there with our file; delete it if it is what we wrote, and raise, unless they are equal."""
        info = self._info()
        if info is None:
            raise DownloadError(f"{self.uri} is not there after it was written. Try again.")
        if info["size"] == size and (sha256 is None or self._sha256(info) == sha256):
            return
        now = self._info()
        is_ours = now is not None and (
            _tag(now) == _tag({"ETag": written.etag}) if written and written.etag else _version(now) == _version(info)
        )
        if not is_ours:
            raise DestinationExistsError(
                f"{self.uri} holds another file than was uploaded: another writer has replaced it. Choose another path."
            )
        target = self._s3()
        if target is not None and written is not None:
            target.delete(written)
        else:
            self._fs.rm_file(self._path)
        raise IntegrityError(
            f"{self.uri} does not hold the bytes that were uploaded (their SHA-256 or size differs), and was deleted. "
            "Try again."
        )

    def _discard(self, saved: dict[str, Any]) -> None:
        """Remove what an upload has left that does not go on, if this destination's connection can."""
        if "temporary" in saved:
            whole_files.remove_temporary(self._fs, saved["temporary"])
            return
        with suppress(JobsError):
            location = parse(saved.get("uri", ""), self._location.conn_id)
            if self._s3() is not None and location.scheme == self._location.scheme:
                s3_upload.discard(S3Object.at(self._fs, location), saved)
                return
        logger.warning(
            "an unfinished upload of %s stays in the store: another store is the target now", saved.get("uri")
        )

    def _s3(self) -> S3Object | None:
        return S3Object.at(self._fs, self._location) if hasattr(self._fs, "call_s3") else None

    def _info(self) -> dict[str, Any] | None:
        self._fs.invalidate_cache()  # because filesystems answer from a list of the folder that may be old
        try:
            info: dict[str, Any] = self._fs.info(self._path)
        except FileNotFoundError:
            if self._lacks_bucket():
                raise
            return None
        return info if info["type"] == "file" else None

    def _lacks_bucket(self) -> bool:
        if target := self._s3():
            return not target.bucket_exists()
        if not self._location.has_bucket:
            return False
        try:
            self._fs.info(self._location.bucket)
        except FileNotFoundError:
            return True
        except Exception:  # noqa: BLE001 - the connection need not be allowed to ask, and each store has its own errors
            return False
        return False

    def _sha256(self, info: dict[str, Any] | None = None) -> str | None:
        info = info or self._info()
        if info is None:
            return None
        digest = hashlib.sha256()
        for start in range(0, info["size"], _READ_BYTES):
            digest.update(self._fs.cat_file(self._path, start=start, end=min(start + _READ_BYTES, info["size"])))
        return digest.hexdigest()


def _version(info: dict[str, Any]) -> tuple[object, ...]:
    return tuple(info.get(name) for name in _VERSION)


def _tag(info: dict[str, Any]) -> str:
    return str(info.get("ETag", "")).strip('"')
