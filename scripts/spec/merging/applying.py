"""Write the decisions about a document's parts into the document."""

from collections.abc import Mapping, Sequence

from spec.documents import JsonObject
from spec.merging.parts import Key, Part
from spec.merging.renaming import rename
from spec.merging.resolving import Decisions, operation_id
from spec.merging.rules import OPERATION, OPERATION_ID, WEBHOOKS
from spec.merging.variants import Nearest
from spec.walk import METHODS


def new_names(parts: Mapping[Key, Sequence[Part]], decisions: Decisions, groups: Sequence[str]) -> list[dict[Key, str]]:
    """Return the new names that concern each document: of its own components, and of those that it refers to.

    Args:
        parts: The definitions of each part.
        decisions: The decisions about them.
        groups: The group of each document.
    """
    nearest = Nearest(parts, groups)
    keys = dict.fromkeys(key for _, key in decisions.renamed if key[0] != OPERATION)
    found = [{key: decisions.renamed.get(nearest(index, key)) for key in keys} for index in range(len(groups))]
    new_ids: dict[tuple[int, str], set[str | None]] = {}
    for key, definitions in parts.items():
        for part in definitions if key[0] == OPERATION else ():
            if (old := operation_id(part)) is not None:
                new_ids.setdefault((part.index, old), set()).add(decisions.renamed.get((part.index, key)))
    for (index, old), new in new_ids.items():
        # A link names an operation by its operationId, which is of no use if two operations have it.
        found[index][OPERATION_ID, old] = next(iter(new)) if len(new) == 1 else None
    return [{key: name for key, name in names.items() if name is not None} for names in found]


def apply(document: JsonObject, index: int, decisions: Decisions, names: Mapping[Key, str]) -> JsonObject:
    """Return a document without what gives way, and with the new names.

    Args:
        document: The document; it is not modified.
        index: Its place in the order of the merge.
        decisions: The decisions about its parts.
        names: The new names that concern it.
    """
    result = dict(document)
    for dropped, (section, name) in sorted(decisions.dropped):
        if dropped == index:
            _drop(result, section, name)
    for (renamed, (section, name)), new in decisions.renamed.items():
        if renamed == index and section == OPERATION and (index, (section, name)) not in decisions.dropped:
            method, _, path = name.partition(" ")
            _copied(_copied(_copied(result, "paths"), path), method.lower())["operationId"] = new
    return rename(result, names)


def _drop(document: JsonObject, section: str, name: str) -> None:
    if section == OPERATION:
        method, _, path = name.partition(" ")
        items = _copied(document, "paths")
        item = _copied(items, path)
        del item[method.lower()]
        if not any(other in item for other in METHODS):
            del items[path]
    elif section == WEBHOOKS:
        del _copied(document, section)[name]
    else:
        del _copied(_copied(document, "components"), section)[name]


def _copied(parent: JsonObject, key: str) -> JsonObject:
    """Replace an object in its parent by a copy, and return that."""
    value = parent[key]
    if not isinstance(value, dict):
        raise TypeError(value)
    parent[key] = value = dict(value)
    return value
