"""The report of `make spec-diff` as JSON, as text and as Markdown."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from check_api import format_version

from spec.comparing.change import Change
from spec.comparing.report import Report
from spec.comparing.signatures import SignatureChange

FORMAT = 1  # of the JSON report; a key that is removed or gets another meaning needs a new number
WIDTH = 100
_FUNCTIONS = ("sync", "sync_detailed", "asyncio", "asyncio_detailed")


def as_json(found: Report) -> str:
    """Return the report as JSON with stable keys; docs/spec-diff.md explains them."""
    values = {
        "format": FORMAT,
        "old": found.old,
        "new": found.new,
        "breaks_generated": found.breaks_generated,
        "breaks_facade": found.breaks_facade,
        "changes": [asdict(it) | {"says": str(it), "used_in": list(it.used_in)} for it in found.changes],
        "signatures": None if found.signatures is None else [asdict(it) for it in found.signatures],
        "unexplained": [it.name for it in found.unexplained],
        "version": format_version(found.version),
        "release": None if found.kind is None else found.kind.name.lower(),
        "next_version": found.next_version,
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Section:
    """A part of the report for people: its title, and its entries with an explanation each."""

    title: str
    entries: tuple[tuple[str, str], ...]


def _sections(found: Report) -> Iterator[_Section]:
    breaking = [it for it in found.changes if it.breaks]
    harmless = [it for it in found.changes if not it.breaks and not it.is_prose]
    prose = [it for it in found.changes if it.is_prose]
    yield _Section("Breaking", tuple((str(it), _why(it)) for it in breaking))
    yield _Section("Not breaking", tuple((str(it), f"{_sentence(it.why)}{_where(it)}") for it in harmless))
    yield _Section("Descriptions only", tuple((str(it), "") for it in prose))
    unexplained = {it.name for it in found.unexplained}
    grouped = _grouped(found.signatures or ())
    yield _Section(
        "Generated interface", tuple((it, _of_signature(names, unexplained)) for it, names in grouped.items())
    )


def _why(change: Change) -> str:
    parts = []
    if change.breaks_generated:
        parts.append(f"Generated interface: {change.why}.{_where(change)}")
    if change.breaks_facade:
        parts.append(change.facade_why)
    return "\n".join(parts)


def _where(change: Change) -> str:
    names = [it for it in change.used_in if it not in change.subject.split()]
    return f" Used in {', '.join(names)}." if names else ""


def _grouped(signatures: Iterable[SignatureChange]) -> dict[str, list[SignatureChange]]:
    """Join the changes that the four functions of an operation have in common."""
    found: dict[str, list[SignatureChange]] = {}
    for it in signatures:
        module, _, function = it.name.partition("(")[0].rpartition(".")
        name = it.name.replace(f"{module}.{function}", module, 1) if function in _FUNCTIONS else it.name
        says = it.says
        if function in _FUNCTIONS and says.startswith("returns"):
            says = says.replace("None | ", "").replace(" | None", "")
        found.setdefault(f"{name} {says}", []).append(it)
    return found


def _of_signature(changes: Sequence[SignatureChange], unexplained: set[str]) -> str:
    if any(it.name in unexplained for it in changes):
        return "Breaking, and no change of the description accounts for it: see the generator and the order of keys."
    return "Breaking." if any(it.breaks for it in changes) else ""


def _verdict(found: Report) -> list[str]:
    """Return the conclusion in a few sentences."""
    if not found.changes and not found.signatures:
        return [f"The description means the same in {found.old} and in {found.new}."]
    verdicts = (("the generated interface", found.breaks_generated), ("the facade", found.breaks_facade))
    sides = [name for name, breaks in verdicts if breaks]
    lines = [f"This breaks {' and '.join(sides)}." if sides else "Nothing breaks."]
    if found.signatures is None:
        lines.append("The generated interface was not compared, because only two documents are given.")
    if found.unexplained:
        count = len(found.unexplained)
        lines.append(f"Breaks of the generated interface that no change of the description accounts for: {count}.")
    if found.kind is not None:
        release = f"{found.next_version} or later ({found.kind.name.lower()})"
        lines.append(f"After {format_version(found.version)}, the next version is {release}.")
    return lines


def as_text(found: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"From {found.old} to {found.new}", ""]
    for section in _sections(found):
        if section.entries:
            lines += [f"{section.title} ({len(section.entries)})", ""]
            for entry, explanation in section.entries:
                lines += _wrapped(entry, "  ")
                lines += [line for part in explanation.splitlines() for line in _wrapped(part, "      ")]
            lines.append("")
    return "\n".join([*lines, *_verdict(found)]) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        _upper(text), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def as_markdown(found: Report) -> str:
    """Return the report for a pull request."""
    lines = [f"## API changes from {found.old} to {found.new}", "", *_verdict(found), ""]
    for section in _sections(found):
        if section.entries:
            lines += [f"### {section.title} ({len(section.entries)})", ""]
            lines += [_item(entry, explanation) for entry, explanation in section.entries]
            lines.append("")
    return "\n".join(lines)


def _item(entry: str, explanation: str) -> str:
    details = "".join(f"\\\n  {_escaped(line)}" for line in explanation.splitlines())
    return f"- **{_escaped(_upper(entry))}**{details}"


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is; an underscore within a word is no mark-up."""
    return re.sub(r"[\\`*<>\[\]|]|\b_|_\b", r"\\\g<0>", text)


def _upper(text: str) -> str:
    """Begin an entry with a capital, unless it begins with a name of the API or of Python."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text


def _sentence(text: str) -> str:
    return f"{_upper(text)}."


FORMATS = {"text": as_text, "json": as_json, "markdown": as_markdown}
