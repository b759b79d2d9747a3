"""Apply the decisions of `openapi/merge.yml` to the parts of documents."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spec.documents import Problem, as_object
from spec.fragments import Fragment
from spec.merging.parts import Id, Key, Part
from spec.merging.rules import OPERATION, OPERATION_ID, PATHS, Resolution, Rules
from spec.merging.variants import classify
from spec.walk import SECTIONS

Parts = Mapping[Key, Sequence[Part]]


@dataclass
class Decisions:
    """What the resolutions say about each definition.

    Attributes:
        renamed: The definitions that get another name. For an operation, that is its operationId.
        dropped: The definitions that give way to others, or are omitted.
        classes: The numbers of the remaining definitions; equal ones mean the same.
        problems: Resolutions that can't be applied, or settle nothing.
    """

    renamed: dict[Id, str] = field(default_factory=dict)
    dropped: set[Id] = field(default_factory=set)
    classes: dict[Id, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def remaining(self, parts: Iterable[Part]) -> list[Part]:
        """Return the definitions that are neither dropped nor, unless they are operations, renamed."""
        return [
            part
            for part in parts
            if (part.index, part.key) not in self.dropped
            and (part.key[0] == OPERATION or (part.index, part.key) not in self.renamed)
        ]


def operation_id(part: Part) -> str | None:
    """Return the operationId of an operation."""
    value = as_object(part.value).get("operationId")
    return value if isinstance(value, str) else None


def decide(
    parts: Parts, fragments: Sequence[Fragment], rules: Rules, *, is_ambiguous: Callable[[Key], bool]
) -> Decisions:
    """Apply all resolutions.

    Args:
        parts: The definitions of each part, in the order of the documents.
        fragments: The fragment of each document.
        rules: The rules with the resolutions.
        is_ambiguous: Returns whether a name that has one meaning needs another name all the same.
    """
    return _Decider(parts, fragments, rules, is_ambiguous).run()


class _Decider:
    def __init__(
        self, parts: Parts, fragments: Sequence[Fragment], rules: Rules, is_ambiguous: Callable[[Key], bool]
    ) -> None:
        self.parts = parts
        self.fragments = fragments
        self.groups = [fragment.group for fragment in fragments]
        self.rules = rules
        self.is_ambiguous = is_ambiguous
        self.decisions = Decisions()

    def run(self) -> Decisions:
        by_key: dict[Key, list[Resolution]] = {}
        for resolution in self.rules.resolutions:
            if resolution.section != PATHS:
                by_key.setdefault((resolution.section, resolution.name), []).append(resolution)
        for (section, name), resolutions in by_key.items():
            if section == OPERATION_ID:
                self._resolve_operation_id(name, resolutions)
        components = {key: resolutions for key, resolutions in by_key.items() if key[0] != OPERATION_ID}
        keeps = {key for key, resolutions in components.items() if any(r.action != "rename" for r in resolutions)}
        fine = classify(self.parts, self.groups) if keeps else {}
        united = {key: self._keep(key, components[key], fine) for key in sorted(keeps)}
        self.decisions.classes = classify(self.parts, self.groups, united=united)
        for key, resolutions in components.items():
            if key not in keeps:
                self._rename(key, resolutions, self.decisions.classes)
        self._refuse_taken_names()
        return self.decisions

    def _refuse_taken_names(self) -> None:
        """Refuse new names that another component has, or gets."""
        taken = {key for key, parts in self.parts.items() if self.decisions.remaining(parts)}
        for resolution in self.rules.resolutions:
            if resolution.action == "rename" and resolution.section in SECTIONS:
                key = (resolution.section, resolution.to)
                if key in taken:
                    reason = f"there is another {resolution.section}/{resolution.to}"
                    self._refuse(resolution, reason, "choose another name")
                taken.add(key)

    def _keep(self, key: Key, resolutions: list[Resolution], classes: Mapping[Id, int]) -> set[int]:
        """Keep one definition of a name; return the documents in which it takes the place of another one."""
        parts = self._existing(key, resolutions)
        self._rename(key, [r for r in resolutions if r.action == "rename"], classes)
        rest = self.decisions.remaining(parts)
        for resolution in resolutions:
            if resolution.action == "omit":
                self.decisions.dropped |= {(part.index, key) for part in rest}
            elif resolution.action == "keep":
                if any(other.action != "rename" and other is not resolution for other in resolutions):
                    self._refuse(resolution, f"{resolution.key} has several resolutions that exclude each other")
                kept = self._select(resolution, rest, classes)
                if len({classes.get((part.index, key), 0) for part in rest}) == 1:
                    self._refuse_needless(resolution)
                number = {classes[part.index, key] for part in kept if (part.index, key) in classes}
                self.decisions.dropped |= {
                    (part.index, key) for part in rest if kept and classes.get((part.index, key)) not in number
                }
        return {part.index for part in rest}

    def _rename(self, key: Key, resolutions: list[Resolution], classes: Mapping[Id, int]) -> None:
        parts = self._existing(key, resolutions)
        numbers = {classes.get((part.index, key), 0) for part in parts}
        taken: set[int] = set()
        for resolution in resolutions:
            chosen = {classes.get((part.index, key), 0) for part in self._select(resolution, parts, classes)}
            if parts and len(numbers) == 1 and not self.is_ambiguous(key):
                self._refuse_needless(resolution)
            if chosen & taken:
                self._refuse(resolution, f"{resolution.where} is named by two resolutions for {resolution.key}")
            taken |= chosen
            for part in parts:
                if classes.get((part.index, key), 0) in chosen:
                    self.decisions.renamed[part.index, key] = resolution.to

    def _resolve_operation_id(self, name: str, resolutions: list[Resolution]) -> None:
        operations: dict[Key, list[Part]] = {}
        for key, parts in self.parts.items():
            for part in parts:
                if key[0] == OPERATION and operation_id(part) == name:
                    operations.setdefault(key, []).append(part)
        if not self._existing((OPERATION_ID, name), resolutions, operations):
            return
        needless = len(operations) == 1 and not self.is_ambiguous(next(iter(operations)))
        # What is renamed first does not have to be omitted.
        for resolution in sorted(resolutions, key=lambda resolution: resolution.action, reverse=True):
            chosen = [key for key, parts in operations.items() if self._is_in(resolution.where, parts)]
            if resolution.action == "omit":
                chosen = [*operations]
            elif needless:
                self._refuse_needless(resolution)
            if len(chosen) == 1:
                self._settle_operation(operations.pop(chosen[0]), resolution)
            else:
                names = " and ".join(key[1] for key in chosen) or "none"
                where = f"in {resolution.where} " if resolution.where else ""
                advice = 'name the operation: "rename: NAME in GET /path"' if chosen else ""
                self._refuse(resolution, f"{resolution.key} {where}names {names}, not one operation", advice)

    def _settle_operation(self, parts: Iterable[Part], resolution: Resolution) -> None:
        for part in parts:
            if resolution.action == "omit":
                self.decisions.dropped.add((part.index, part.key))
            else:
                self.decisions.renamed[part.index, part.key] = resolution.to

    def _existing(self, key: Key, resolutions: Sequence[Resolution], found: Parts | None = None) -> Sequence[Part]:
        parts = self.parts.get(key, ()) if found is None else [part for parts in found.values() for part in parts]
        if not parts:
            for resolution in resolutions:
                self._refuse(resolution, f"no document has {resolution.key}", "delete the resolution")
        return parts

    def _select(self, resolution: Resolution, parts: Sequence[Part], classes: Mapping[Id, int]) -> list[Part]:
        """Return the definitions in the group or file that a resolution names; these have to mean the same."""
        chosen = [part for part in parts if self._is_in(resolution.where, [part])]
        if parts and not chosen:
            names = ", ".join(dict.fromkeys(self.fragments[part.index].name for part in parts))
            self._refuse(resolution, f"{resolution.where} has no {resolution.key}", f"it is in {names}")
        if len({classes.get((part.index, part.key), 0) for part in chosen}) > 1:
            names = ", ".join(self.fragments[part.index].name for part in chosen)
            reason = f"{resolution.where} has several definitions of {resolution.key} that differ"
            self._refuse(resolution, reason, f"name one of {names}")
        return chosen

    def _is_in(self, where: str, parts: Sequence[Part]) -> bool:
        return any(
            where in {self.fragments[part.index].name, self.groups[part.index]}
            or (part.key[0] == OPERATION and where == part.key[1])
            for part in parts
        )

    def _refuse_needless(self, resolution: Resolution) -> None:
        reason = f"the resolution for {resolution.key} is no longer needed: all documents agree"
        self._refuse(resolution, reason, "delete it")

    def _refuse(self, resolution: Resolution, reason: str, advice: str = "") -> None:
        self.decisions.problems.append(Problem(self.rules.file, resolution.line, reason, advice))
