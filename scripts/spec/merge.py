"""Merge the fragments of an API's description into one OpenAPI document.

Fields of the root follow the rule of `openapi/merge.yml`. Parts of the same name that are equal, but for the order of
their keys and for descriptions, become one. Parts that differ are an error that shows both, and proposes how to settle
it. Nothing is renamed without a decision in `merge.yml`; public merge tools rename the second part, and exit with 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spec.contradictions import Proposals, Reporter
from spec.documents import JsonObject, Problem, SpecError
from spec.fragments import Fragment
from spec.joining import join
from spec.normalize import normalize
from spec.parts import Key, Part, find_parts
from spec.renaming import rename
from spec.resolving import Decisions, decide, operation_id
from spec.roots import spread
from spec.rules import OPERATION, OPERATION_ID, WEBHOOKS, Rules
from spec.shapes import shape_problems
from spec.variants import Nearest
from spec.walk import METHODS, Place


class MergeError(SpecError):
    """Fragments contradict each other, or one isn't an OpenAPI document.

    Attributes:
        proposals: Resolutions that settle the contradictions, by their keys in `merge.yml`.
    """

    def __init__(self, *problems: Problem | str, proposals: Proposals | None = None) -> None:
        super().__init__(*problems)
        self.proposals = proposals or {}


@dataclass(frozen=True)
class Merged:
    """One document out of many.

    Attributes:
        document: The OpenAPI document.
        notes: What differed in the fragments and was settled by the rule, one sentence each.
    """

    document: JsonObject
    notes: list[str]
    _fragments: Sequence[Fragment]
    _origins: Mapping[Place, tuple[int, Place]]

    def origin(self, place: Place) -> tuple[Fragment, Place]:
        """Return the fragment that a place of the document is from, and the place there.

        A place that the document does not have leads to the nearest part that it is in.
        """
        for length in range(len(place), 0, -1):
            if found := self._origins.get(place[:length]):
                index, start = found
                return self._fragments[index], (*start, *place[length:])
        return self._fragments[0], ()

    def locate(self, place: Place) -> tuple[str, int]:
        """Return the file and the line of a place of the document."""
        fragment, there = self.origin(place)
        return fragment.source.file, fragment.source.line(*there)


def merge(fragments: Iterable[Fragment], rules: Rules | None = None) -> Merged:
    """Merge fragments into one document; the order in which they are given doesn't matter.

    Args:
        fragments: At least one.
        rules: The rules; by default, those without a file.

    Returns:
        A new document, with the parts in the order of the groups, and of the fragments' names in a group.

    Raises:
        MergeError: Fragments contradict each other, or can't be merged; with all problems.
    """
    rules = rules or Rules()
    place = {group: number for number, group in enumerate(rules.order)}
    ordered = sorted(fragments, key=lambda fragment: (place.get(fragment.group, len(place)), fragment.name))
    if not ordered:
        raise MergeError("there is no fragment to merge")
    documents, notes = spread(_normalized(ordered), rules)
    parts = find_parts(documents)
    decisions = decide(parts, ordered, rules)
    if decisions.problems:
        raise MergeError(*decisions.problems)
    _refuse_contradictions(parts, decisions, ordered, rules)
    nearest = Nearest(parts, [fragment.group for fragment in ordered])
    names = [_new_names(index, parts, decisions, nearest) for index in range(len(ordered))]
    renamed = [rename(_apply(document, index, decisions), names[index]) for index, document in enumerate(documents)]
    joined = join(renamed, ordered, rules, names=names)
    if joined.problems:
        raise MergeError(*joined.problems)
    return Merged(joined.document, [*notes, *joined.notes], ordered, joined.origins)


def _normalized(fragments: Sequence[Fragment]) -> list[JsonObject]:
    problems: list[Problem | str] = []
    documents = []
    for fragment in fragments:
        try:
            problems.extend(shape_problems(fragment))
            documents.append(normalize(fragment))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise MergeError(*problems)
    return documents


def _refuse_contradictions(
    parts: Mapping[Key, Sequence[Part]], decisions: Decisions, fragments: Sequence[Fragment], rules: Rules
) -> None:
    names = {*parts, *((key[0], name) for (_, key), name in decisions.renamed.items() if key[0] != OPERATION)}
    operations = _by_operation_id(parts, decisions)
    reporter = Reporter(fragments, rules, names | {(OPERATION_ID, name) for name in operations})
    for key, definitions in parts.items():
        variants: dict[int, list[Part]] = {}
        for part in decisions.remaining(definitions):
            variants.setdefault(decisions.classes.get((part.index, key), 0), []).append(part)
        if len(variants) > 1:
            by_group: dict[str, set[int]] = {}
            for part in definitions:
                by_group.setdefault(fragments[part.index].group, set()).add(part.index)
            reporter.part([*variants.values()], by_group)
    for name, members in operations.items():
        if len(members) > 1:
            reporter.operation_id(name, [*members.values()])
    if reporter.problems:
        raise MergeError(*reporter.problems, *reporter.summary(), proposals=reporter.proposals)


def _by_operation_id(parts: Mapping[Key, Sequence[Part]], decisions: Decisions) -> dict[str, dict[Key, list[Part]]]:
    found: dict[str, dict[Key, list[Part]]] = {}
    for key, definitions in parts.items():
        for part in decisions.remaining(definitions) if key[0] == OPERATION else ():
            name = decisions.renamed.get((part.index, key)) or operation_id(part)
            if name is not None:
                found.setdefault(name, {}).setdefault(key, []).append(part)
    return found


def _new_names(
    index: int, parts: Mapping[Key, Sequence[Part]], decisions: Decisions, nearest: Nearest
) -> dict[Key, str]:
    """Return the new names that concern a document: of its own components, and of those that it refers to."""
    keys = dict.fromkeys(key for _, key in decisions.renamed if key[0] != OPERATION)
    found = {key: decisions.renamed.get(nearest(index, key)) for key in keys}
    new_ids: dict[str, set[str | None]] = {}
    for key, definitions in parts.items():
        for part in definitions if key[0] == OPERATION else ():
            old = operation_id(part)
            if part.index == index and old is not None:
                new_ids.setdefault(old, set()).add(decisions.renamed.get((index, key)))
    # A link names an operation by its operationId, which is of no use if two operations have it.
    found |= {(OPERATION_ID, old): new.pop() for old, new in new_ids.items() if len(new) == 1}
    return {key: name for key, name in found.items() if name is not None}


def _apply(document: JsonObject, index: int, decisions: Decisions) -> JsonObject:
    """Return a document without what gives way, and with the new operationIds."""
    result = dict(document)
    for dropped, (section, name) in sorted(decisions.dropped):
        if dropped != index:
            continue
        if section == OPERATION:
            method, _, path = name.partition(" ")
            items = _copied(result, "paths")
            item = _copied(items, path)
            del item[method.lower()]
            if not any(method in item for method in METHODS):
                del items[path]
        elif section == WEBHOOKS:
            del _copied(result, section)[name]
        else:
            del _copied(_copied(result, "components"), section)[name]
    for (renamed, (section, name)), new in decisions.renamed.items():
        if renamed == index and section == OPERATION:
            method, _, path = name.partition(" ")
            _copied(_copied(_copied(result, "paths"), path), method.lower())["operationId"] = new
    return result


def _copied(parent: JsonObject, key: str) -> JsonObject:
    """Replace an object in its parent by a copy, and return that."""
    value = parent[key]
    if not isinstance(value, dict):
        raise TypeError(value)
    parent[key] = value = dict(value)
    return value
