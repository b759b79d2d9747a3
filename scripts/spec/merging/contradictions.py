"""Report parts of documents that contradict each other, and propose resolutions."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from spec.documents import Json, Problem, first_difference
from spec.fragments import Fragment
from spec.merging.parts import Key, Part, comparable
from spec.merging.rules import OPERATION, OPERATION_ID, PATHS, WEBHOOKS, Rules

# Resolutions by their keys, as they stand in the file.
Proposals: TypeAlias = dict[str, list[str]]

_DIFF_LINES = 40
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


class Reporter:
    """Collects contradictions, with resolutions that would settle all of them at once.

    Attributes:
        problems: The contradictions.
        proposals: The resolutions that keep both sides of each contradiction, if there are such.
    """

    def __init__(self, fragments: Sequence[Fragment], rules: Rules) -> None:
        self.problems: list[Problem] = []
        self.proposals: Proposals = {}
        self._fragments = fragments
        self._rules = rules
        self._names: dict[str, set[str]] = {}
        self._unsettled = 0

    def reserve(self, names: Iterable[Key]) -> None:
        """Propose no new name that a part has already."""
        for section, name in names:
            self._names.setdefault(section, set()).add(_folded(name))

    def part(self, variants: Sequence[Sequence[Part]], everywhere: Mapping[str, Collection[int]]) -> None:
        """Report definitions of one name that differ.

        Args:
            variants: The definitions, those that mean the same together.
            everywhere: The documents of each group that define the name.
        """
        first, *others = (variant[0] for variant in variants)
        section, name = first.key
        can_rename = section not in {OPERATION, WEBHOOKS}
        proposals = []
        for variant, other in zip(variants[1:], others, strict=True):
            ways = [f"keep: {self._fragments[part.index].name}" for part in (first, other)]
            if can_rename:
                where = self._where(variant, everywhere)
                new = self._new_name(section, name, first, other)
                ways.append(f"rename: {new} in {where}")
            proposals.append(ways[-1] if can_rename else ways[0])
            self._contradiction(first, other, [_line(f"{section}/{name}", way) for way in ways])
        self._propose(f"{section}/{name}", proposals if can_rename else proposals[:1])

    def operation_id(self, name: str, operations: Sequence[Sequence[Part]]) -> None:
        """Report operations that have the same operationId."""
        first, *others = (parts[0] for parts in operations)
        proposals = []
        for parts, other in zip(operations[1:], others, strict=True):
            where = self._fragments[other.index].name
            same_file = any(part.index == other.index for group in operations if group is not parts for part in group)
            new = self._new_operation_id(name, other)
            proposals.append(f"rename: {new} in {other.key[1] if same_file else where}")
            file, line = self._at(other, "operationId")
            reason = f"the operationId {name} is also that of {first.key[1]}, in {':'.join(map(str, self._at(first)))}"
            lines = [_line(f"{OPERATION_ID}/{name}", proposals[-1])]
            self.problems.append(Problem(file, line, reason, _advice("", self._rules.file, lines)))
        self._propose(f"{OPERATION_ID}/{name}", proposals)

    def path(self, spellings: Sequence[tuple[str, int]], clashes: Mapping[str, Sequence[str]]) -> None:
        """Report paths that differ in the names of their parameters alone.

        Args:
            spellings: The paths, each with the first document that has it.
            clashes: For each path but the first, the methods that a document has under both.
        """
        (first, index), *others = spellings
        source = self._fragments[index].source
        at = f"{source.file}:{source.line('paths', first)}"
        for path, other in others:
            found = self._fragments[other].source
            line = found.line("paths", path)
            reason = f"{path} is the same path as {first} in {at}, except for the names of its parameters"
            ways = [_line(f"{PATHS}/{path}", f"rename: {first}")]
            if clashes[path]:
                self._unsettled += 1
                ways = [_line(f"{OPERATION}/{method.upper()} {path}", "omit: REASON") for method in clashes[path]]
            else:
                self.proposals[f"{PATHS}/{path}"] = [f"rename: {first}"]
            self.problems.append(Problem(found.file, line, reason, _advice("", self._rules.file, ways)))

    def summary(self) -> Iterator[Problem]:
        """Return all proposals as one text to paste."""
        if self.proposals:
            lines = [line for key, ways in self.proposals.items() for line in _entry(key, ways)]
            count = len(self.problems)
            reason = f"{count} contradictions. " if count > 1 else ""
            reason += "These resolutions settle all" + (f" but {self._unsettled}" if self._unsettled else "")
            losing = any(way.startswith("keep:") for ways in self.proposals.values() for way in ways)
            reason += ", of which `keep` drops the other side:" if losing else ", and lose no part:"
            yield Problem(self._rules.file, None, reason, "\n".join(["resolutions:", *(f"  {line}" for line in lines)]))

    def _contradiction(self, first: Part, other: Part, lines: list[str]) -> None:
        section, name = first.key
        file, line = self._at(other)
        one = self._at(first)
        reason = f"{section}/{name} differs from that in {one[0]}:{one[1]}"
        changes = diff(comparable(first), comparable(other), f"{one[0]}:{one[1]}", f"{file}:{line}")
        text = changes or "they are equal, but refer to parts that differ"
        self.problems.append(Problem(file, line, reason, _advice(text, self._rules.file, lines)))

    def _propose(self, key: str, ways: list[str]) -> None:
        standing = [str(resolution) for resolution in self._rules.resolutions if resolution.key == key]
        self.proposals[key] = [*standing, *ways]

    def _where(self, variant: Sequence[Part], everywhere: Mapping[str, Collection[int]]) -> str:
        """Name the definitions of a variant: by the group, if all in it are of the variant, or else by a file."""
        fragment = self._fragments[variant[0].index]
        indexes = {part.index for part in variant}
        return fragment.group if indexes.issuperset(everywhere[fragment.group]) else fragment.name

    def _new_name(self, section: str, name: str, first: Part, other: Part) -> str:
        fragment, competitor = self._fragments[other.index], self._fragments[first.index]
        candidates = [fragment.group, fragment.name.rpartition("/")[2].partition(".")[0]]
        if fragment.group == competitor.group:
            candidates.reverse()
        return self._unused(section, (_prefixed(name, prefix) for prefix in candidates), name)

    def _new_operation_id(self, name: str, operation: Part) -> str:
        group = self._fragments[operation.index].group
        path = re.sub(r"\{[^{}]*\}", "", operation.key[1]).split("/")
        last = next((step for step in reversed(path[1:]) if step), "")
        return self._unused(OPERATION_ID, (_inserted(name, word) for word in (group, last) if word), name)

    def _unused(self, section: str, candidates: Iterable[str], name: str) -> str:
        taken = self._names.setdefault(section, set())
        tried = [*candidates, *(f"{name}{number}" for number in range(2, len(taken) + 3))]
        found = next(candidate for candidate in tried if _folded(candidate) not in taken)
        taken.add(_folded(found))
        return found

    def _at(self, part: Part, *place: str) -> tuple[str, int]:
        source = self._fragments[part.index].source
        return source.file, source.line(*part.place, *place)


def diff(one: Json, other: Json, name: str, other_name: str) -> str:
    """Show two values as a unified diff, without regard to the order of keys; it is empty if they are equal."""
    if first_difference(one, other) is None:
        return ""
    before, after = (json.dumps(v, indent=2, sort_keys=True, ensure_ascii=False).splitlines() for v in (one, other))
    lines = [*difflib.unified_diff(before, after, name, other_name, lineterm="")]
    if len(lines) > _DIFF_LINES:
        lines[_DIFF_LINES:] = [f"… {len(lines) - _DIFF_LINES} more lines"]
    return "\n".join(lines)


def _advice(text: str, file: str, lines: Sequence[str]) -> str:
    return "\n".join(
        [*text.splitlines(), f"settle it below `resolutions` in {file} with one of:", *(f"  {line}" for line in lines)]
    )


def _entry(key: str, ways: Sequence[str]) -> list[str]:
    if len(ways) == 1:
        return [_line(key, ways[0])]
    return [f"{_quoted_key(key)}:", *(f"  - {json.dumps(way, ensure_ascii=False)}" for way in ways)]


def _line(key: str, way: str) -> str:
    return f"{_quoted_key(key)}: {json.dumps(way, ensure_ascii=False)}"


def _quoted_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z][\w./{} -]*", key) else json.dumps(key, ensure_ascii=False)


def _words(text: str) -> list[str]:
    return [word[0].upper() + word[1:] for word in _WORD.findall(text)]


def _folded(name: str) -> str:
    """Return what the names of two parts have to differ in, so that their classes and modules do."""
    return "".join(_WORD.findall(name)).lower()


def _prefixed(name: str, prefix: str) -> str:
    """Return a name with the words of a prefix; those that the name begins with do not appear twice.

    A page of models belongs to the page of the operations that use them. Digits can't begin a name.
    """
    words, own = [word for word in _words(prefix) if word != "Models"], _words(name)
    overlap = next((n for n in range(min(len(words), len(own)), 0, -1) if words[-n:] == own[:n]), 0)
    added = "".join(words[: len(words) - overlap])
    return name if added[:1].isdigit() else f"{added}{name}"


def _inserted(name: str, subject: str) -> str:
    """Return an operationId with a subject after its verb, such as `listBrandJobs` of `listJobs`."""
    words, own = _words(subject), _WORD.findall(name)
    rest = [word[0].upper() + word[1:] for word in own[1:]]
    overlap = next((n for n in range(min(len(words), len(rest)), 0, -1) if words[-n:] == rest[:n]), 0)
    joined = [*words, *rest[overlap:]]
    if "_" in name:
        return "_".join([*own[:1], *joined]).lower()
    return "".join([*own[:1], *joined])
