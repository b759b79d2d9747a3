"""Which contents generated code sends and reads, and how: as `spec.generating.generatable` prepares them for it."""

from spec.comparing.api import Api, Node
from spec.generating.generatable import BYTES
from spec.generating.lookup import Lookup


def is_json(content_type: str) -> bool:
    """Return whether generated code takes a content type for JSON."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def chosen_content(response: Node) -> Node | None:
    """Return the content of a response that generated code reads: JSON, or else the first; None if there is none."""
    contents = response.get("content").members()
    return min(contents.values(), key=lambda media: not is_json(str(media.place[-1])), default=None)


def reading(api: Api, media: Node | None) -> str:
    """Return how generated code reads a content: as json, text or bytes; an empty text if it doesn't, or is None."""
    content_type = str(media.place[-1]) if media else ""
    if media is None or (content_type == BYTES and "schema" not in media.object):
        return ""
    if is_json(content_type):
        return "json"
    is_binary = Lookup(api.document).resolve(media.object.get("schema", {})).get("format") == "binary"
    return "text" if content_type.startswith("text/") and not is_binary else "bytes"
