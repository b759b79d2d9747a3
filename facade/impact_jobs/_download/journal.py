"""The journal beside a `.part` file: which result it is a part of, and which of its bytes are safely on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import field, frozen

from impact_jobs._download.checksums import is_digest
from impact_jobs._download.ranges import UNKNOWN, Coverage, Representation
from impact_jobs._transport.headers import LARGEST, Span

_FORMAT = 1
_MAX_BYTES = 64 * 1024

NEW_SUFFIX = ".new"
"""Ends the name under which a journal is written before it replaces the previous one. A crash may leave such a file."""


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
        """Write the journal, whose bytes must be on disk. If this raises OSError, the previous journal is kept."""
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
        new = path.with_name(path.name + NEW_SUFFIX)
        new.unlink(missing_ok=True)  # it may be a symbolic link, through which nothing must be written
        try:
            with new.open("x", encoding="utf-8") as file:
                file.write(text)
            new.replace(path)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Journal | None:
        """Return the journal, or None if there is none or it is not valid."""
        try:
            with open(path, "rb", opener=_open_file) as file:
                return cls._parse(json.loads(file.read(_MAX_BYTES)))
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
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


def _open_file(path: str, flags: int) -> int:
    # Follow no symbolic link, and do not block on a named pipe.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
