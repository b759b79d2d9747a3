"""Check what keeps the parts of a document from being found: what should be an object or an array, and is not."""

from collections.abc import Iterator

from spec.documents import Json, JsonObject, Place, Problem, as_list, object_at
from spec.fragments import Fragment
from spec.walk import METHODS, SECTIONS

_NAMES: dict[type[object], str] = {dict: "an object", list: "an array", str: "a text"}


def shape_problems(fragment: Fragment) -> Iterator[Problem]:
    """Find malformed paths, webhooks, components and tags."""
    source = fragment.source
    for place, value, kind in _expected(fragment.document):
        if not isinstance(value, kind):
            reason = f"{'/'.join(map(str, place))} is not {_NAMES[kind]}"
            yield Problem(source.file, source.line(*place), reason)
    for section in object_at(fragment.document, "components"):
        if section not in SECTIONS and not section.startswith("x-"):
            line = source.line("components", section)
            reason = f"components/{section} is not a section of components"
            yield Problem(source.file, line, reason, f"the sections are {', '.join(SECTIONS)}")


def _expected(document: JsonObject) -> Iterator[tuple[Place, Json, type[object]]]:
    """Yield values of a document, each with its place and with what it has to be."""
    for section in ("paths", "webhooks", "components"):
        yield (section,), document.get(section, {}), dict
        for name, inner in object_at(document, section).items():
            if not name.startswith("x-"):
                yield (section, name), inner, dict
    yield from _expected_operations(object_at(document, "paths"))
    for section in object_at(document, "components"):
        for name, part in object_at(document, "components", section).items():
            if not isinstance(part, bool) and not section.startswith("x-"):
                yield ("components", section, name), part, dict
    tags = document.get("tags", [])
    yield ("tags",), tags, list
    for position, tag in enumerate(as_list(tags)):
        yield ("tags", position), tag, dict
        yield ("tags", position, "name"), tag.get("name") if isinstance(tag, dict) else "", str


def _expected_operations(paths: JsonObject) -> Iterator[tuple[Place, Json, type[object]]]:
    for path in paths:
        for method, operation in object_at(paths, path).items():
            if method in METHODS and not path.startswith("x-"):
                yield ("paths", path, method), operation, dict
                name = operation.get("operationId", "") if isinstance(operation, dict) else ""
                yield ("paths", path, method, "operationId"), name, str
