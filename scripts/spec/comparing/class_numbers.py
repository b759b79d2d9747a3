"""The classes whose name has a number, because another schema of the document has the same one."""

from spec.documents import Json, JsonObject
from spec.generating.class_names import name_classes


def numbered_classes(document: JsonObject) -> dict[str, str]:
    """Return the classes that got another name than their own, by the places of their schemas as JSON Pointers."""
    return dict(name_classes(_untitled(document)).renamed)


def _untitled(value: JsonObject) -> JsonObject:
    """Copy a document without the titles of schemas, which the generator does not get."""
    return {key: _copied(member) for key, member in value.items() if key != "title" or not isinstance(member, str)}


def _copied(value: Json) -> Json:
    if isinstance(value, list):
        return [*map(_copied, value)]
    return _untitled(value) if isinstance(value, dict) else value
