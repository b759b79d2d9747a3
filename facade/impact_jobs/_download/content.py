"""What the name and the first bytes of a result show: a compression, a page in its place, or how many pages it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from impact_jobs._download.filesystem import is_of_system

_BEGINNING_BYTES = 4096

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
_PROLOGUE = rb"(?:(?:<\?xml[^>]*>|<!--(?:(?!-->).)*-->)\s*)*"
_HTML = re.compile(_PROLOGUE + rb"<(?:!doctype\s+html|html|head|body|title|script|meta)\b", re.IGNORECASE | re.DOTALL)
# Those of S3 and Google, of Azure, and of other services of AWS.
_XML_ERROR = re.compile(_PROLOGUE + rb"<(?:\w+:)?Error(?:Response)?[\s/>]", re.DOTALL)
# The fields before the first record; "Records" or "Clicks" is an array.
_PAGES = re.compile(rb'\s*\{[^\[\]{}]*"@numpages"\s*:\s*"?([0-9]{1,9})["\s,}]')


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


def page_in_place_of(body: bytes) -> str:
    """Return what a short body is if it can be neither CSV nor JSON of the API, but a gateway's page; "" otherwise."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if _HTML.match(start):
        return "an HTML page"
    return "an error document" if _XML_ERROR.match(start) or _is_json_error(start) else ""


def _is_json_error(body: bytes) -> bool:
    """Return whether it is `{"error": {"code": …, "message": …}}`, as of Google and Azure."""
    if not body.startswith(b"{"):
        return False
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return False
    error = data.get("error") if data.keys() == {"error"} else None
    return isinstance(error, dict) and error.keys() >= {"code", "message"}


def pages_stated(start: bytes) -> int | None:
    """Return how many pages a JSON result has, as its envelope states before the records; None if it does not."""
    found = _PAGES.match(start[:_BEGINNING_BYTES].lstrip(b"\xef\xbb\xbf"))
    return int(found[1]) if found else None


def pages_of_file(path: Path) -> int | None:
    """Return how many pages the result has of which the first is in this file; None also if it cannot be read."""
    try:
        with path.open("rb") as file:
            return pages_stated(file.read(_BEGINNING_BYTES))
    except OSError as error:
        if not is_of_system(error):
            raise
        return None


def warning_of(pages: int | None) -> str:
    """Return what to warn of; "" if the result is complete."""
    if pages is None or pages <= 1:
        return ""
    return f"the JSON result is page 1 of {pages} only; schedule it as CSV to get all of it in one file"
