"""Name the files of fragments after what they describe."""

import re
import unicodedata
from collections.abc import Iterator

from spec.documents import JsonObject, as_object, object_at
from spec.importing.pages import Document
from spec.walk import METHODS

LONGEST_NAME = 100  # characters, of the 255 bytes that a file system allows

_PARAMETER = re.compile(r"\{[^{}]*\}")


def kebab(name: str) -> str:
    """Return a name in small letters and digits, its words joined by hyphens: `listJobs` becomes `list-jobs`."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+", ascii_name)
    return "-".join(words).lower()[:LONGEST_NAME].strip("-")


def fragment_name(document: Document, *, stem: str) -> str:
    """Return the name of a document's file, without its suffix.

    It is that of the only operation, or of the first schema if there are no operations, or else that of the page.
    """
    operations = [*operations_of(document.content)]
    if len(operations) == 1:
        path, method, operation = operations[0]
        name = operation.get("operationId")
        return (kebab(name) if isinstance(name, str) else "") or kebab(f"{method} {path}")
    schemas = object_at(document.content, "components", "schemas")
    candidates = [] if operations else [next(iter(schemas), ""), document.heading]
    return next((name for candidate in [*candidates, stem] if (name := kebab(candidate))), "document")


def operations_of(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """Yield the operations of a document, each with its path and its method."""
    for section in ("paths", "webhooks"):
        for path, item in object_at(document, section).items():
            for method, operation in as_object(item).items():
                if method in METHODS and isinstance(operation, dict):
                    yield path, method, operation


def route(method: str, path: str) -> tuple[str, str]:
    """Return what identifies an operation: the names of a path's parameters make no difference."""
    return method, _PARAMETER.sub("{}", path)
