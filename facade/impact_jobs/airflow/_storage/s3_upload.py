"""Upload a file to S3 in parts, several at once, so that another process can go on where this one stopped."""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from impact_jobs.airflow._storage.memory import UploadMemory
from impact_jobs.airflow._storage.s3_object import Part, S3Object, Written, is_gone, stated
from impact_jobs.airflow._storage.store_errors import code_of
from impact_jobs.errors import IntegrityError

logger: Final = logging.getLogger("impact_jobs")

_MEBIBYTE: Final = 1024 * 1024
PART_BYTES: Final = 32 * _MEBIBYTE
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MOST_PARTS: Final = 10_000
_PARALLEL: Final = 4  # bounds the memory: so many parts at once
# The store does not accept these parts, or another writer was first: the upload cannot go on.
_HOPELESS: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "PreconditionFailed", "412"})
_CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)


@frozen(kw_only=True)
class _Upload:
    """A multipart upload that the store knows."""

    id: str
    part_bytes: int


class _GoneError(Exception):
    """The store does not know the upload: it was completed, or aborted by others or by the store's own rules."""


def part_bytes_for(size: int, *, at_least: int = PART_BYTES) -> int:
    """Return the size of a part, in bytes, with which a file of `size` bytes has at most 10,000."""
    needed = -(-size // _MOST_PARTS)
    return max(at_least, -(-needed // _MEBIBYTE) * _MEBIBYTE)


def upload(
    target: S3Object,
    source: Path,
    *,
    uri: str,
    sha256: str,
    memory: UploadMemory,
    overwrite: bool,
    part_bytes: int,
) -> Written | None:
    """Upload a file.

    Args:
        target: The object.
        source: The file.
        uri: The target's URL, to recognise what the memory is about.
        sha256: The file's SHA-256, to recognise it likewise.
        memory: Where the upload's id is kept.
        overwrite: Whether to replace an object.
        part_bytes: The least size of a part, in bytes; a smaller file takes one request.

    Returns:
        What the store has made of it, or None if the upload of an earlier try is gone, perhaps completed: compare the
        object, and call again if it is another.
    """
    conditions = {} if overwrite else {"IfNoneMatch": "*"}
    saved = memory.get()
    size = source.stat().st_size
    if saved is None and size <= part_bytes:
        return target.put(source.read_bytes(), **conditions)
    try:
        found = _begun(saved) or _begin(
            target, memory, uri=uri, sha256=sha256, part_bytes=part_bytes_for(size, at_least=part_bytes)
        )
        parts = _send(target, source, found, size=size)
        return _complete(target, found, parts, memory=memory, conditions=conditions)
    except _GoneError:
        memory.delete()
        return None


def is_about(saved: dict[str, Any] | None, *, uri: str, sha256: str) -> bool:
    """Return whether a memory is about an upload of this file to this target that the store knows."""
    return (
        saved is not None and (saved.get("uri"), saved.get("sha256")) == (uri, sha256) and bool(saved.get("upload_id"))
    )


def discard(target: S3Object, saved: dict[str, Any]) -> None:
    """Abort the upload that a memory is about.

    A process that was killed between the creation and its record has left an upload without parts; those that began
    since then are aborted. The same may hit another writer of the same object that has not sent a part yet, which
    begins anew then.
    """
    if saved.get("upload_id"):
        target.abort(saved["upload_id"])
    elif "begun_at" in saved:
        with suppress(OSError):  # the connection need not be allowed to list uploads
            since = datetime.fromisoformat(saved["begun_at"]) - _CLOCKS_DIFFER_BY
            for upload_id in list(target.uploads_since(since)):
                if not target.parts_of(upload_id):
                    target.abort(upload_id)


def _begun(saved: dict[str, Any] | None) -> _Upload | None:
    return None if saved is None else _Upload(id=saved["upload_id"], part_bytes=saved["part_bytes"])


def _begin(target: S3Object, memory: UploadMemory, *, uri: str, sha256: str, part_bytes: int) -> _Upload:
    about = {"uri": uri, "sha256": sha256, "part_bytes": part_bytes}
    memory.set(about | {"upload_id": None, "begun_at": datetime.now(UTC).isoformat()})
    begun = _Upload(id=target.create_upload(), part_bytes=part_bytes)
    try:
        memory.set(about | {"upload_id": begun.id})
    except BaseException:
        target.abort(begun.id)
        raise
    return begun


def _send(target: S3Object, source: Path, found: _Upload, *, size: int) -> list[dict[str, Any]]:
    """Send the parts that the store lacks, and return what to state about all of them."""
    try:
        stored = target.parts_of(found.id)
    except OSError as error:
        if is_gone(error):
            raise _GoneError from None
        raise

    def send(number: int) -> dict[str, Any]:
        body = _read(source, (number - 1) * found.part_bytes, found.part_bytes, size=size)
        part = Part.of(body)
        listed = stored.get(number)
        if listed is not None and part.is_stored_as(listed):
            return stated(number, listed)
        return target.put_part(found.id, number, body, part)

    numbers = range(1, max(1, -(-size // found.part_bytes)) + 1)
    if stored:
        logger.info("upload goes on: the store has %d of %d parts", len(stored), len(numbers))
    pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="impact-jobs-upload")
    try:
        futures = [pool.submit(send, number) for number in numbers]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((future.exception() for future in done if future.exception()), None)
    finally:
        pool.shutdown(cancel_futures=True)
    if failed is not None:
        raise _GoneError if is_gone(failed) else failed
    return [future.result() for future in futures]


def _read(source: Path, start: int, length: int, *, size: int) -> bytes:
    expected = min(length, size - start)
    with source.open("rb") as file:
        file.seek(start)
        body = file.read(expected)
    if len(body) != expected:
        raise IntegrityError(f"{source.name!r} became shorter while it was uploaded. Try again.")
    return body


def _complete(
    target: S3Object, found: _Upload, parts: list[dict[str, Any]], *, memory: UploadMemory, conditions: dict[str, str]
) -> Written:
    try:
        return target.complete(found.id, parts, **conditions)
    except OSError as error:
        if is_gone(error):  # also if the answer of a first request was lost
            raise _GoneError from None
        if code_of(error) in _HOPELESS:
            target.abort(found.id)
            memory.delete()
        raise
