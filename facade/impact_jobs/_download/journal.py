"""The journal beside a `.part` file: which result it is a part of, and which of its bytes are safely on disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import field, frozen

from impact_jobs._download.checksums import is_digest
from impact_jobs._download.filesystem import is_of_system, open_safely, sync
from impact_jobs._download.ranges import UNKNOWN, Coverage, Representation
from impact_jobs._transport.headers import LARGEST, Span

_FORMAT = 1
_MAX_BYTES = 1024 * 1024
_MAX_LINE_BYTES = 64 * 1024


@frozen(kw_only=True)
class Journal:
    """What another process needs in order to resume a download on another day. It holds no link."""

    job_id: str
    representation: Representation = UNKNOWN
    checksums: Mapping[str, str] = field(factory=dict)  # that the storage stated: base64 by algorithm
    content_type: str | None = None
    filename: str | None = None  # that the storage suggested, made safe
    coverage: Coverage = Coverage()  # the bytes that are safely on disk

    def save(self, path: Path) -> None:
        """Append the journal to its file, and sync it. The bytes that it lists must be on disk.

        The file is never replaced by another, because after a power cut its name could lead to an older one. If this
        raises OSError, what was saved before is still valid.
        """
        text = json.dumps(
            {
                "format": _FORMAT,
                "job_id": self.job_id,
                "length": self.representation.length,
                "validator": self.representation.validator,
                "checksums": dict(self.checksums),
                "content_type": self.content_type,
                "filename": self.filename,
                "coverage": self.coverage.spans,
            }
        )
        line = f"\n{text}\n".encode()  # the line before may have been cut short
        with open_safely(path, "r+", flags=os.O_CREAT | os.O_APPEND) as file:
            if os.fstat(file.fileno()).st_size + len(line) > _MAX_BYTES:
                file.truncate(0)
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(file.fileno())

    @staticmethod
    def clear(path: Path) -> None:
        """Leave an empty journal, which lists no bytes, but shows whose the part is; create it if it is missing.

        Once this returns, no crash brings back what it listed before.
        """
        with open_safely(path, "r+", flags=os.O_CREAT) as file:
            if os.fstat(file.fileno()).st_size:
                file.truncate(0)
                sync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> Journal | None:
        """Return the last journal that was saved, or None if there is none that is valid."""
        try:
            with open_safely(path, "r") as file:
                lines = file.read(_MAX_BYTES).splitlines()
        except OSError as error:
            if not is_of_system(error):
                raise
            return None
        for line in reversed(lines):  # the last one may have been cut short
            with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
                return cls._parse(json.loads(line[:_MAX_LINE_BYTES]))
        return None

    @classmethod
    def _parse(cls, data: dict[str, Any]) -> Journal:
        length, coverage, checksums = data["length"], data["coverage"], data["checksums"]
        spans = tuple(Span(start, stop) for start, stop in coverage)
        edges = [-1, *(edge for span in spans for edge in span), length + 1]
        is_valid = (
            data["format"] == _FORMAT
            and isinstance(data["job_id"], str)
            and all(isinstance(data[name], str | None) for name in ("validator", "content_type", "filename"))
            and all(is_digest(name, value) for name, value in checksums.items())
            and 0 <= length <= LARGEST
            and isinstance(coverage, list)
            and all(isinstance(edge, int) for edge in edges)
            # In order and not adjacent, as `save` writes them, because joining others would take quadratic time.
            and all(edge < following for edge, following in pairwise(edges))
        )
        if not is_valid:
            raise ValueError
        return cls(
            job_id=data["job_id"],
            representation=Representation(length=length, validator=data["validator"]),
            checksums=checksums,
            content_type=data["content_type"],
            filename=data["filename"],
            coverage=Coverage(spans),
        )
