"""The table of docs/compatibility.md: what each combination of yesterday and today lost, in a few words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.interop.compatibility.running import Compared, Outcomes
from tests.spec.planted import Planted

WORKS = "works"
NOT_GENERATED = "is not generated"
COMMAND_FAILED = "CommandFailedError"
_MISSING = {"None", "NoneType", "Unset"}
_TYPES = {"str", "int", "float", "bool", "dict", "list"}
_FEW = 3
_COLUMNS = (
    "change",
    "old facade, new server",
    "old generated, new server",
    "new facade, old server",
    "new generated, old server",
    "old program, new generated",
)


@dataclass(frozen=True)
class Row:
    """What a change does to each combination, in words.

    Attributes:
        name: The change.
        old_facade: Yesterday's facade against the new server.
        old_generated: Yesterday's generated package against the new server.
        new_facade: Today's facade, with the new generated package, against yesterday's server.
        new_generated: Today's generated package against yesterday's server.
        program: A program for yesterday's generated package with today's, against the new server.
    """

    name: str
    old_facade: str
    old_generated: str
    new_facade: str
    new_generated: str
    program: str

    @property
    def facade_works(self) -> bool:
        """Whether the facade works on both days."""
        return self.old_facade == self.new_facade == WORKS

    @property
    def generated_works(self) -> bool:
        """Whether the generated package works on both days, and programs need no change."""
        return self.old_generated == self.new_generated == self.program == WORKS


def row_of(change: Planted, baseline: Mapping[str, Outcomes], compared: Compared) -> Row:
    """Describe what a change does."""
    new_generated = _cell(baseline["generated"], compared.new_wheel["generated"])
    return Row(
        change.name,
        old_facade=_cell(baseline["facade"], compared.old_wheel["facade"]),
        old_generated=_cell(baseline["generated"], compared.old_wheel["generated"]),
        new_facade=_cell(baseline["facade"], compared.new_wheel["facade"]),
        new_generated=new_generated,
        program=_program_cell(compared, is_generated=new_generated != NOT_GENERATED),
    )


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{' --- |' * len(_COLUMNS)}"]
    for row in rows:
        cells = (row.old_facade, row.old_generated, row.new_facade, row.new_generated, row.program)
        escaped = [cell.replace("|", "\\|") for cell in (row.name, *cells)]
        lines.append(f"| {' | '.join(escaped)} |")
    return "\n".join(lines)


def messages(baseline: Mapping[str, Outcomes], all_compared: Iterable[Compared]) -> str:
    """Return what the errors of yesterday's facade say about new servers, as a list in Markdown."""
    expected = _errors(baseline["facade"])
    found = set().union(*(_errors(compared.old_wheel["facade"]) for compared in all_compared)) - expected
    return "\n".join(f"- `{kind}`: {message}" for kind, message in sorted(found) if kind != COMMAND_FAILED)


def _errors(outcomes: Outcomes) -> set[tuple[str, str]]:
    errors = [outcome["error"] for outcome in outcomes.values() if "error" in outcome]
    return {(kind, message) for kind, message in errors}


def _cell(baseline: Outcomes, found: Outcomes) -> str:
    if "" in found:
        kind, _ = found[""]["error"]
        return NOT_GENERATED if kind == "SpecError" else f"does not start: `{kind}`"
    verbs: dict[str, list[str]] = {}
    for verb, before in baseline.items():
        if phrase := _phrase(before, found[verb]):
            verbs.setdefault(phrase, []).append(f"`{verb}`")
    if len(verbs) == 1 and sum(map(len, verbs.values())) == len(baseline):
        return f"every call: {next(iter(verbs))}"
    return "; ".join(f"{', '.join(names)}: {phrase}" for phrase, names in verbs.items()) or WORKS


def _phrase(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return how the outcome of a verb differs; "" if it does not."""
    if "error" in after:
        kind, message = after["error"]
        if kind == before.get("error", [""])[0]:
            return ""
        return str(message).partition(":")[0] if kind == COMMAND_FAILED else f"`{kind}`"
    if "error" in before:
        return f"no `{before['error'][0]}`"
    return _few(list(dict.fromkeys(_differences(before["result"], after["result"]))))


def _differences(before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        missing = [name for name in before if name not in after]
        are_jobs = all(isinstance(each, dict) for each in before.values())
        if missing:
            yield f"{len(missing)} of {len(before)} jobs are missing" if are_jobs else f"no {_quoted(missing)}"
        for name in before:
            if name in after:
                yield from _field(name, before[name], after[name])
    elif before != after:
        is_list = isinstance(before, list) and isinstance(after, list)
        other = "nothing" if after is None else "another result"
        yield f"{len(after)} jobs instead of {len(before)}" if is_list else other


def _field(name: str, before: Any, after: Any) -> Iterator[str]:
    """Describe a field that differs: that it is absent, of another type, or another value."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _differences(before, after)
    elif before != after:
        kinds = [str(value).partition(" ")[0] for value in (before, after)]
        if after is None or str(after) in _MISSING:
            yield f"`{name}` is {'Unset' if after == 'Unset' else 'None'}"
        elif kinds[0] != kinds[1] and kinds[1] in _TYPES:
            yield f"`{name}` is a `{kinds[1]}`"
        else:
            yield f"`{name}` is `{after}`"


def _few(phrases: Sequence[str]) -> str:
    more = len(phrases) - _FEW
    return ", ".join(phrases[:_FEW]) + (f" and {more} more" if more > 0 else "")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _program_cell(compared: Compared, *, is_generated: bool) -> str:
    if not is_generated:
        return NOT_GENERATED
    found = []
    if compared.type_errors:
        first = re.sub(r"change_\d\d\.|  \[[\w-]+\]$", "", compared.type_errors[0])
        more = len(compared.type_errors) - 1
        found.append(f"mypy: {first}" + (f" and {more} more" if more else ""))
    if compared.program:
        kind, _, message = compared.program.partition(": ")
        found.append(f"run: `{kind.rpartition('.')[2]}`: {message}")
    return "; ".join(found) or WORKS
