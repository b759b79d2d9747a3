"""What a body is by its beginning: HTML, an error document, or an object of JSON."""

from __future__ import annotations

import json
import re

BEGINNING_BYTES = 4096
"""How many bytes, after white space, tell what a body is."""

_PROLOGUE = r"(?:(?:<\?xml[^>]*>|<!--(?:(?!-->).)*-->)\s*)*"
_HTML = re.compile(_PROLOGUE + r"<(?:!doctype\s+html|html|head|body|title|script|meta)\b", re.IGNORECASE | re.DOTALL)
_API_ERROR = re.compile(
    _PROLOGUE + r"<ImpactRadiusResponse[^>]*>\s*(?:<Message>[^<]*</Message>\s*)?<Status>ERROR</Status>", re.DOTALL
)
# Those of S3 and Google, of Azure, and of other services of AWS.
_STORAGE_ERROR = re.compile(_PROLOGUE + r"<(?:\w+:)?Error(?:Response)?[\s/>]", re.DOTALL)
_OBJECT = re.compile(r"\{[ \t\r\n]*(?:[\"}]|$)")


def beginning_of(body: bytes) -> str:
    """Return the first characters after any byte order mark and white space, in any encoding that JSON may have."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:BEGINNING_BYTES]
    return start.decode(json.detect_encoding(start), "replace").lstrip("\ufeff \t\r\n")


def is_html(start: str) -> bool:
    """Return whether a body that starts like this is HTML."""
    return _HTML.match(start) is not None


def is_api_error(start: str) -> bool:
    """Return whether a body that starts like this is the API's error in XML."""
    return _API_ERROR.match(start) is not None


def is_storage_error(start: str) -> bool:
    """Return whether a body that starts like this is the error document of a storage in XML."""
    return _STORAGE_ERROR.match(start) is not None


def is_object(start: str) -> bool:
    """Return whether a body that starts like this may be an object of JSON."""
    return _OBJECT.match(start) is not None
