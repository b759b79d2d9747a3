"""The journal beside a `.part` file: what it is a part of, and which of its bytes can be relied on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import field, frozen

from impact_jobs._download.checksums import is_digest
from impact_jobs._download.ranges import Coverage, Representation
from impact_jobs._transport.headers import LARGEST, Span

_FORMAT = 1
_LONGEST_BYTES = 64 * 1024


@frozen(kw_only=True)
class Journal:
    """What must be known to go on with a download, in another process or on another day. It holds no link.

    Attributes:
        job_id: Whose result.
        version: Which bytes.
        checksums: What the storage stated, algorithm to base64.
        content_type: As the storage stated it.
        filename: The name it suggested, made safe.
        coverage: The bytes that are safely on disk.
    """

    job_id: str
    version: Representation
    checksums: Mapping[str, str] = field(factory=dict)
    content_type: str | None = None
    filename: str | None = None
    coverage: Coverage = field(factory=Coverage)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all; the bytes it speaks of must be on disk already.

        Raises:
            OSError: It could not be written; the one before still stands.
        """
        text = json.dumps(
            {
                "format": _FORMAT,
                "job_id": self.job_id,
                "length": self.version.length,
                "validator": self.version.validator,
                "checksums": dict(self.checksums),
                "content_type": self.content_type,
                "filename": self.filename,
                "coverage": self.coverage.spans,
            }
        )
        fresh = fresh_beside(path)
        fresh.unlink(missing_ok=True)  # not written through, for it may be a link to anywhere
        try:
            with fresh.open("x", encoding="utf-8") as file:
                file.write(text)
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Journal | None:
        """The journal, or None where there is none, or one that makes no sense."""
        try:
            with open(path, "rb", opener=_open_file) as file:
                data = json.loads(file.read(_LONGEST_BYTES))
            return cls._read(data) if data["format"] == _FORMAT else None
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return None

    @classmethod
    def _read(cls, data: Mapping[str, object]) -> Journal:
        length, spans = data["length"], data["coverage"]
        if not isinstance(length, int) or not isinstance(spans, list) or not isinstance(data["checksums"], dict):
            raise TypeError
        if not 0 <= length <= LARGEST:
            raise ValueError
        covered: list[Span] = []
        for start, stop in spans:
            # As they are written: in order, none touching the next. To join any others would take quadratic time.
            if not (isinstance(start, int) and isinstance(stop, int) and 0 <= start < stop <= length):
                raise ValueError
            if covered and start <= covered[-1].stop:
                raise ValueError
            covered.append(Span(start, stop))
        checksums = {str(name): str(value) for name, value in data["checksums"].items()}
        if not all(is_digest(name, value) for name, value in checksums.items()):
            raise ValueError
        return cls(
            job_id=_text(data["job_id"]) or "",
            version=Representation(length=length, validator=_text(data["validator"])),
            checksums=checksums,
            content_type=_text(data["content_type"]),
            filename=_text(data["filename"]),
            coverage=Coverage(tuple(covered)),
        )


def fresh_beside(path: Path) -> Path:
    """Where a journal is written before it takes the place of the one before; a crash may leave it."""
    return path.with_name(path.name + ".new")


def _open_file(path: str, flags: int) -> int:
    # Neither a link is followed, nor a pipe waited for.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError
