"""What the name and the first bytes of a result show: a compression, a page in its place, or how many pages it has."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from impact_jobs._api.documents import BEGINNING_BYTES, beginning_of, is_api_error, is_html, is_object, is_storage_error
from impact_jobs._download.filesystem import is_of_system

_MAGIC = {
    ".gz": b"\x1f\x8b",
    ".tgz": b"\x1f\x8b",
    ".zip": b"PK",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
    ".zst": b"\x28\xb5\x2f\xfd",
}
MAGIC_BYTES = max(map(len, _MAGIC.values()))
"""How many bytes from the beginning of a file show how it is compressed."""

_EXTENSION = re.compile(r"\.(csv|tsv|jsonl?|ndjson|xml|html?)(?:\.(?:gz|bz2|xz|zst|zip))?$", re.IGNORECASE)
_MARKUP = frozenset({"xml", "htm", "html"})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_SEPARATOR = re.compile(r"[,;\t|]\S")  # as in a header of CSV, but not in a sentence
# The fields of a JSON error of the API, a gateway or a storage: it has one of the first kind, and others of the second.
_ERROR_TEXT = re.compile(r"error\w*|message|msg|detail|fault|title", re.IGNORECASE)
_ERROR_FIELD = re.compile(
    rf"{_ERROR_TEXT.pattern}|status\w*|code|type|path|timestamp|instance|(?:request|trace)_?id", re.IGNORECASE
)
# The fields of an envelope before and after its records; "Records" or "Clicks" is an array.
_HEAD = re.compile(rb"\s*\{([^\[\]{}]*)")
_TAIL = re.compile(rb"[\]}]\s*(,[^\[\]{}]*)\}\s*\Z")
_PAGE, _PAGES_TOTAL = (
    re.compile(rb'"%s"\s*:\s*"?([0-9]{1,9})(?:["\s,]|\Z)' % name, re.IGNORECASE) for name in (b"@page", b"@numpages")
)
_NEXT_PAGE = re.compile(rb'"@nextpager?uri"\s*:\s*"[^"]', re.IGNORECASE)


def is_compressed_name(name: str) -> bool:
    """Return whether a name states that the file is compressed."""
    return Path(name).suffix.lower() in _MAGIC


def true_name(name: str, beginning: bytes) -> str:
    """Return a name without an extension that states a compression which the bytes of the file do not have.

    A storage, or HTTP itself, may have decompressed the file on its way.
    """
    suffix = Path(name).suffix
    return name if beginning.startswith(_MAGIC.get(suffix.lower(), b"")) else name.removesuffix(suffix)


def is_data_by_name(names: Iterable[str | None]) -> bool:
    """Return whether the first of these names with a telling extension is that of a CSV or JSON file."""
    found = (_EXTENSION.search(name) for name in names if name)
    extension = next((each[1].lower() for each in found if each), None)
    return extension is not None and extension not in _MARKUP


def is_html_type(content_type: str) -> bool:
    """Return whether a `Content-Type` is that of HTML."""
    return content_type.partition(";")[0].strip().lower() in _HTML_TYPES


def page_in_place_of(body: bytes, content_type: str = "") -> str:
    """Return what a body is if it can be neither CSV nor JSON of the API, but a gateway's page; "" otherwise.

    The beginning of a body is enough for all but an error object of JSON.
    """
    start = beginning_of(body)
    if is_html(start) or (is_html_type(content_type) and not _may_be_data(body, start)):
        return "an HTML page"
    is_error = is_storage_error(start) or is_api_error(start) or (is_object(start) and _is_json_error(body))
    return "an error document" if is_error else ""


def _may_be_data(body: bytes, start: str) -> bool:
    """Return whether a body that claims to be HTML may be a file that is served with the wrong type.

    Frameworks use that type if none is set, so it is not believed about JSON, a compressed file, and a line of values.
    """
    line, end, _ = start.partition("\n")
    is_line = bool(end) or len(body) >= BEGINNING_BYTES
    is_table = is_line and not line.startswith("<") and _SEPARATOR.search(line) is not None
    return not start or is_table or start[0] in "{[" or body.startswith(tuple(_MAGIC.values()))


def _is_json_error(body: bytes) -> bool:
    """Return whether it is an object of error fields alone, such as `{"message": …}` or `{"error": {"code": …}}`."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return all(map(_ERROR_FIELD.fullmatch, data)) and any(map(_ERROR_TEXT.fullmatch, data))


@frozen
class Paging:
    """Which page of how many a JSON result is, as its envelope states."""

    page: int = 1
    total: int | None = None
    has_next: bool = False  # whether it states a link to a next page

    @classmethod
    def of(cls, first: bytes, last: bytes | None = None) -> Paging:
        """Read the first bytes of a file, and the last ones if they are known."""
        head = _HEAD.match(first[:BEGINNING_BYTES].lstrip(b"\xef\xbb\xbf"))
        if head is None:
            return cls()
        tail = _TAIL.search((first if last is None else last)[-BEGINNING_BYTES:])
        fields = head[1] + (tail[1] if tail else b"")
        page, total = _PAGE.search(fields), _PAGES_TOTAL.search(fields)
        return cls(
            page=int(page[1]) if page else 1,
            total=int(total[1]) if total else None,
            has_next=_NEXT_PAGE.search(fields) is not None,
        )

    @classmethod
    def of_file(cls, path: Path) -> Paging:
        """Read the beginning and the end of a file; it has no pages if it cannot be read."""
        try:
            with path.open("rb") as file:
                first = file.read(BEGINNING_BYTES)
                file.seek(max(file.seek(0, os.SEEK_END) - BEGINNING_BYTES, 0))
                return cls.of(first, file.read(BEGINNING_BYTES))
        except OSError as error:
            if not is_of_system(error):
                raise
            return cls()

    @property
    def is_followed(self) -> bool:
        """Whether there are pages after this one."""
        return self.has_next if self.total is None else self.page < self.total

    @property
    def pages_total(self) -> int | None:
        """The number of pages, if it is known, unless this is the last of several."""
        return self.total if self.is_followed or self.total == 1 else None

    @property
    def warning(self) -> str:
        """What to warn of; "" if no pages follow."""
        if not self.is_followed:
            return ""
        of_all = f" of {self.total}" if self.total else ""
        return (
            f"the JSON result is page {self.page}{of_all} only; to get all of it in one file, "
            "call export_and_download(…, join=True), or schedule it as CSV"
        )
