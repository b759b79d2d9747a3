"""Write several documents that do not contradict each other into one."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

from spec.documents import Json, JsonObject, Place, Problem, canonical, object_at
from spec.fragments import Fragment
from spec.merging.contradictions import diff
from spec.merging.parts import Key, Moved, effective
from spec.merging.roots import Joined, join_field, join_root
from spec.merging.rules import FIRST, Rules
from spec.walk import METHODS, SECTIONS, Kind, without_prose

# What a path says for all its operations, and an operation can say itself.
_SHARED = ("summary", "description", "parameters", "servers")
_EFFECTIVE = ("parameters", "servers")


def join(
    documents: Sequence[JsonObject],
    fragments: Sequence[Fragment],
    rules: Rules,
    *,
    names: Sequence[Mapping[Key, str]],
    moved: Sequence[Moved],
) -> Joined:
    """Write documents into one, in their order.

    Args:
        documents: At least one; parts of the same name are equal up to the order of keys and descriptions.
        fragments: The fragment of each document.
        rules: The rules for the roots.
        names: The new names that the components of each document were given.
        moved: The operations of each document that were published under another path, and that path.
    """
    return _Joiner(documents, fragments, rules, names, moved).join()


class _Joiner:
    def __init__(
        self,
        documents: Sequence[JsonObject],
        fragments: Sequence[Fragment],
        rules: Rules,
        names: Sequence[Mapping[Key, str]],
        moved: Sequence[Moved],
    ) -> None:
        self.documents = documents
        self.fragments = fragments
        self.rules = rules
        self.moved = moved
        self.old_names = [{(section, new): old for (section, old), new in renamed.items()} for renamed in names]
        self.joined = Joined()
        self.differing: dict[Place, list[int]] = {}

    def join(self) -> Joined:
        joined = self.joined
        join_root(joined, self.documents, self.fragments, self.rules)
        joined.document["paths"] = {}
        self._extensions(("paths",))
        self._join_paths()
        if any("webhooks" in document for document in self.documents):
            joined.document["webhooks"] = {}
            self._join_members(("webhooks",), Kind.PATH_ITEM)
        sections = dict.fromkeys(key for document in self.documents for key in object_at(document, "components"))
        if sections:
            components: JsonObject = {}
            joined.document["components"] = components
            self._extensions(("components",))
            for section in sections:
                if section in SECTIONS:
                    components[section] = {}
                    self._join_members(("components", section), SECTIONS[section])
        for place, indexes in self.differing.items():
            first = self.fragments[joined.origins[place][0]].source.file
            files = [*dict.fromkeys(self.fragments[index].source.file for index in indexes)]
            others = (
                f"those of {files[0]} differ" if len(files) == 1 else f"{len(files)} others differ, such as {files[0]}"
            )
            joined.notes.append(f"{shown(place)}: the descriptions of {first} stay; {others}")
        joined.document = deepcopy(joined.document)
        return joined

    def _join_members(self, place: Place, kind: Kind) -> None:
        for index, document in enumerate(self.documents):
            for name, value in object_at(document, *place).items():
                self._add((*place, name), kind, index, value)

    def _join_paths(self) -> None:
        items: dict[str, dict[int, JsonObject]] = {}
        for index, document in enumerate(self.documents):
            for path, item in object_at(document, "paths").items():
                if isinstance(item, dict) and not path.startswith("x-"):
                    items.setdefault(path, {})[index] = item
        for path, found in items.items():
            self._join_path(("paths", path), found)

    def _join_path(self, place: Place, items: dict[int, JsonObject]) -> None:
        effects = {canonical(without_prose(_only(item, _EFFECTIVE), Kind.PATH_ITEM)) for item in items.values()}
        if len(effects) > 1:
            self.joined.notes.append(
                f"{place[-1]}: the parameters of its path differ, so that each operation has its own"
            )
            items = {
                index: {key: value for key, value in item.items() if key not in _SHARED}
                | {method: effective(item, method, self.documents[index]) for method in METHODS if method in item}
                for index, item in items.items()
            }
        object_at(self.joined.document, "paths")[str(place[-1])] = {}
        for name in dict.fromkeys(key for item in items.values() for key in item if key not in METHODS):
            having = {index: item[name] for index, item in items.items() if name in item}
            rule = FIRST if name in _SHARED else None
            join_field(self.joined, (*place, name), having, self.fragments, self.rules, rule=rule)
        for index, item in items.items():
            for method, operation in item.items():
                if method in METHODS:
                    self._add((*place, method), Kind.OPERATION, index, operation)

    def _add(self, place: Place, kind: Kind, index: int, value: Json) -> None:
        parent = object_at(self.joined.document, *place[:-1])
        there = self._published(index, place)
        if place not in self.joined.origins:
            parent[str(place[-1])] = value
            self.joined.origins[place] = (index, there)
        elif canonical(value) != canonical(parent[str(place[-1])]):
            first = parent[str(place[-1])]
            one, other = without_prose(first, kind), without_prose(value, kind)
            if canonical(one) == canonical(other):
                self.differing.setdefault(place, []).append(index)
            else:
                self._refuse(place, index, diff(one, other, "the first", "the other"))

    def _refuse(self, place: Place, index: int, advice: str) -> None:
        first, first_place = self.joined.origins[place]
        one, other = self.fragments[first].source, self.fragments[index].source
        reason = f"{shown(place)} differs from that in {one.file}:{one.line(*first_place)}"
        line = other.line(*self._published(index, place))
        self.joined.problems.append(Problem(other.file, line, reason, advice))

    def _extensions(self, place: Place) -> None:
        for name in dict.fromkeys(key for document in self.documents for key in object_at(document, *place)):
            if name.startswith("x-"):
                values = {index: object_at(document, *place) for index, document in enumerate(self.documents)}
                having = {index: members[name] for index, members in values.items() if name in members}
                join_field(self.joined, (*place, name), having, self.fragments, self.rules)

    def _published(self, index: int, place: Place) -> Place:
        """Return where a part of the merged document is in the document that it is from."""
        if place[0] == "components":
            section, name = str(place[1]), str(place[2])
            return ("components", section, self.old_names[index].get((section, name), name))
        if place[0] == "paths":
            _, path, method = map(str, place)
            return ("paths", self.moved[index].get((path, method), path), method)
        return place


def shown(place: Place) -> str:
    """Return a place as messages name it, such as `schemas/Job`."""
    return "/".join(map(str, place[1:] if place[0] == "components" else place))


def _only(value: JsonObject, keys: Sequence[str]) -> JsonObject:
    return {key: value[key] for key in keys if key in value}
