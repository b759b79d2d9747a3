"""Which contents generated code sends and reads, and how: as `spec.generating.generatable` prepares them for it."""

from spec.comparing.api import Api, Node
from spec.documents import Json
from spec.generating.class_names import FORMS
from spec.generating.generatable import BYTES
from spec.generating.lookup import Lookup


def is_json(content_type: str) -> bool:
    """Return whether generated code takes a content type for JSON."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def is_form(content_type: str) -> bool:
    """Return whether generated code makes a form of a body of a content type."""
    return content_type.partition(";")[0] in FORMS


def sent_contents(api: Api, body: Node) -> dict[str, Node]:
    """Return the contents of a body that generated code sends: those whose Python classes it can distinguish.

    JSON comes before all others.
    """
    contents, look = body.get("content").members(), Lookup(api.document)
    found: dict[str, Node] = {}
    seen: list[Json] = []
    for content_type in sorted(contents, key=lambda it: not is_json(it)):
        schema = contents[content_type].object.get("schema", {})
        is_file = not is_json(content_type) and not is_form(content_type)
        is_class = is_file or look.kind(schema) == "object"
        identity: Json = "file" if is_file else schema
        if not found and not is_class:
            return {content_type: contents[content_type]}
        if not found or (is_class and identity not in seen):
            found[content_type] = contents[content_type]
            seen.append(identity)
    return found


def must_be_given(api: Api, body: Node) -> bool:
    """Return whether the generated argument of a body has no default: it has one if there are several types."""
    sent, look = sent_contents(api, body), Lookup(api.document)
    is_union = any(is_json(name) and look.is_union(it.object.get("schema", {})) for name, it in sent.items())
    return len(sent) == 1 and (body.object.get("required") is True or is_union)


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
