"""Merge the fragments of an API's description into one OpenAPI document.

Fields of the root follow the rule of `openapi/merge.yml`. Parts of the same name that are equal, but for the order of
their keys and for descriptions, become one. Parts that differ are an error that shows both, and proposes how to settle
it. Nothing is renamed without a decision in `merge.yml`; public merge tools rename the second part, and exit with 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from spec.documents import JsonObject, Place, Problem, SpecError
from spec.fragments import Fragment
from spec.merging.applying import apply, new_names
from spec.merging.contradictions import Proposals, Reporter
from spec.merging.joining import join
from spec.merging.names import shares_python_name
from spec.merging.normalize import normalize
from spec.merging.parts import Key, Part, find_parts
from spec.merging.resolving import Decisions, decide, operation_id
from spec.merging.roots import spread
from spec.merging.rules import OPERATION, OPERATION_ID, Rules
from spec.merging.shapes import shape_problems
from spec.merging.templates import new_paths, respell


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
    groups = [fragment.group for fragment in ordered]
    unknown = [*_unknown_groups(rules, groups)]
    documents, notes = spread(_normalized(ordered), rules)
    notes = [*_upgrades(ordered), *notes]
    reporter = Reporter(ordered, rules)
    paths, problems = new_paths(documents, rules, reporter)
    respelled = [respell(document, paths) for document in documents]
    documents, moved = [document for document, _ in respelled], [moves for _, moves in respelled]
    parts = find_parts(documents, moved)
    decisions = decide(parts, ordered, rules, is_ambiguous=lambda key: shares_python_name(key, parts))
    if unknown or problems or decisions.problems:
        raise MergeError(*unknown, *problems, *decisions.problems)
    _report(reporter, parts, decisions, ordered)
    if reporter.problems:
        raise MergeError(*reporter.problems, *reporter.summary(), proposals=reporter.proposals)
    names = new_names(parts, decisions, groups)
    settled = [apply(document, index, decisions, names[index]) for index, document in enumerate(documents)]
    joined = join(settled, ordered, rules, names=names, moved=moved)
    if joined.problems:
        raise MergeError(*joined.problems)
    return Merged(joined.document, [*notes, *joined.notes], ordered, joined.origins)


def _unknown_groups(rules: Rules, groups: Sequence[str]) -> Iterator[Problem]:
    for group, line in rules.order.items():
        if group not in groups:
            advice = f"the groups are {', '.join(dict.fromkeys(groups))}"
            yield Problem(rules.file, line, f"there is no group {group!r}", advice)


def _upgrades(fragments: Sequence[Fragment]) -> Iterator[str]:
    older = [fragment.source.file for fragment in fragments if str(fragment.document["openapi"]).startswith("3.0.")]
    if older:
        yield f"openapi: documents of 3.0 are read as 3.1 ({len(older)} of {len(fragments)}), such as {older[0]}"


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


def _report(
    reporter: Reporter, parts: Mapping[Key, Sequence[Part]], decisions: Decisions, fragments: Sequence[Fragment]
) -> None:
    """Report definitions of one name that differ, and operations of one operationId."""
    operations = _by_operation_id(parts, decisions)
    renamed = ((key[0], name) for (_, key), name in decisions.renamed.items() if key[0] != OPERATION)
    reporter.reserve({*parts, *renamed, *((OPERATION_ID, name) for name in operations)})
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


def _by_operation_id(parts: Mapping[Key, Sequence[Part]], decisions: Decisions) -> dict[str, dict[Key, list[Part]]]:
    found: dict[str, dict[Key, list[Part]]] = {}
    for key, definitions in parts.items():
        for part in decisions.remaining(definitions) if key[0] == OPERATION else ():
            name = decisions.renamed.get((part.index, key)) or operation_id(part)
            if name is not None:
                found.setdefault(name, {}).setdefault(key, []).append(part)
    return found
