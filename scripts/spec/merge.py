"""Merge the published fragments, one file per operation, into one OpenAPI document.

Equal parts are merged into one. Parts that differ, or that repeat what may appear only once, are an error that names
both files and the place. Public merge tools rename the second part instead, and exit with 0.
"""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from spec.documents import Json, JsonObject, SpecError, first_difference, pointer
from spec.fragments import Fragment

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
MERGED = frozenset({"components", "paths", "tags"})


class MergeError(SpecError):
    """Two fragments contradict each other, or one isn't an OpenAPI document."""


@dataclass(frozen=True)
class _Part:
    """A value in a fragment, with its file and its place there."""

    file: str
    at: str
    value: Json

    def object(self) -> JsonObject:
        if not isinstance(self.value, dict):
            raise MergeError(f"{self.file}#{self.at} is not an object")
        return self.value

    def member(self, key: str) -> "_Part":
        """Return a member; a missing one is an empty object."""
        return _Part(self.file, self.at + pointer(key), self.object().get(key, {}))

    def members(self) -> dict[str, "_Part"]:
        return {key: self.member(key) for key in self.object()}

    def entries(self, key: str) -> Iterator["_Part"]:
        entries = self.object().get(key, [])
        if not isinstance(entries, list):
            raise MergeError(f"{self.file}#{self.at + pointer(key)} is not an array")
        for index, entry in enumerate(entries):
            yield _Part(self.file, self.at + pointer(key, index), entry)

    def without(self, keys: frozenset[str]) -> "_Part":
        rest: JsonObject = {key: value for key, value in self.object().items() if key not in keys}
        return _Part(self.file, self.at, rest)

    def must_equal(self, other: "_Part") -> None:
        place = first_difference(self.value, other.value, self.at)
        if place is not None:
            raise MergeError(f"{self.file} and {other.file} differ at {place}")

    def clash(self, other: "_Part", what: str) -> MergeError:
        return MergeError(f"{self.file}#{self.at} and {other.file}#{other.at} {what}")


@dataclass
class _Path:
    """A path of the API: the parts that its operations share, and the operations by method."""

    shared: _Part
    operations: dict[str, _Part] = field(default_factory=dict)


@dataclass
class _Merged:
    """The parts merged so far, each with the fragment that it came from."""

    shared: _Part
    tags: dict[str, _Part] = field(default_factory=dict)
    paths: dict[str, _Path] = field(default_factory=dict)
    templates: dict[str, _Part] = field(default_factory=dict)
    operation_ids: dict[str, _Part] = field(default_factory=dict)
    components: dict[str, dict[str, _Part]] = field(default_factory=dict)

    def add(self, fragment: _Part) -> None:
        self.shared.must_equal(fragment.without(MERGED))
        for tag in fragment.entries("tags"):
            _add_equal(self.tags, str(tag.object().get("name")), tag)
        for path, item in fragment.member("paths").members().items():
            self._add_path(path, item)
        for section, components in fragment.member("components").members().items():
            for name, component in components.members().items():
                _add_equal(self.components.setdefault(section, {}), name, component)

    def document(self) -> JsonObject:
        result = dict(self.shared.object())
        if self.tags:
            result["tags"] = [tag.value for tag in self.tags.values()]
        result["paths"] = {path: item.shared.object() | _values(item.operations) for path, item in self.paths.items()}
        if self.components:
            result["components"] = {section: _values(parts) for section, parts in self.components.items()}
        return deepcopy(result)

    def _add_path(self, path: str, item: _Part) -> None:
        # `/Jobs/{Id}` and `/Jobs/{JobId}` are the same path in OpenAPI, and for a server.
        template = self.templates.setdefault(re.sub(r"\{[^{}]*\}", "{}", path), item)
        if template.at != item.at:
            raise template.clash(item, "are the same path under two names")
        shared = item.without(METHODS)
        known = self.paths.setdefault(path, _Path(shared))
        known.shared.must_equal(shared)
        for method, operation in item.members().items():
            if method in METHODS:
                _add_once(known.operations, method, operation, "describe the same operation")
                self._add_operation_id(operation)

    def _add_operation_id(self, operation: _Part) -> None:
        name = operation.object().get("operationId")
        if isinstance(name, str):
            part = operation.member("operationId")
            _add_once(self.operation_ids, name, part, f"use the same operationId, {name!r}")


def merge(fragments: Iterable[Fragment]) -> JsonObject:
    """Merge fragments into one document; their order doesn't matter.

    Args:
        fragments: At least one; each name is that of a file.

    Returns:
        A new document, with the parts in the order of the fragments' names.

    Raises:
        MergeError: Two fragments contradict each other, or repeat what may appear only once.
    """
    ordered = [
        _Part(fragment.source.file, "", fragment.document)
        for fragment in sorted(fragments, key=lambda fragment: fragment.name)
    ]
    if not ordered:
        raise MergeError("there is no fragment to merge")
    merged = _Merged(shared=ordered[0].without(MERGED))
    for part in ordered:
        merged.add(part)
    return merged.document()


def _add_equal(parts: dict[str, _Part], name: str, part: _Part) -> None:
    parts.setdefault(name, part).must_equal(part)


def _add_once(parts: dict[str, _Part], name: str, part: _Part, complaint: str) -> None:
    first = parts.setdefault(name, part)
    if first is not part:
        raise first.clash(part, complaint)


def _values(parts: dict[str, _Part]) -> JsonObject:
    return {name: part.value for name, part in parts.items()}
