"""The generated part of docs/compatibility.md; `python -m tests.interop.compatibility` updates it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.compatibility.changes import CHANGES
from tests.interop.compatibility.report import WORKS, Row, messages, row_of, table
from tests.interop.compatibility.running import ROOT, compare_all

PAGE = ROOT / "docs" / "compatibility.md"
_BEGIN, _END = "<!-- the table begins, by tests/interop/compatibility -->\n", "<!-- the table ends -->\n"


@dataclass(frozen=True)
class Results:
    """What all changes do.

    Attributes:
        rows: One for each change, in their order.
        said: What the errors say, as a list in Markdown.
    """

    rows: tuple[Row, ...]
    said: str


def measure() -> Results:
    """Run every change, which takes some two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        baseline, compared = compare_all(CHANGES, Path(folder))
    rows = [row_of(change, baseline, each) for change, each in zip(CHANGES, compared, strict=True)]
    return Results(tuple(rows), messages(baseline, compared))


def rewritten(page: str, results: Results) -> str:
    """Return the page with these results."""
    before, rest = page.split(_BEGIN)
    said = f"## What the errors of the old facade say\n\n{results.said}"
    written = "\n\n".join([_summary(results.rows), table(results.rows), said])
    return f"{before}{_BEGIN}\n{written}\n\n{_END}{rest.split(_END)[1]}"


def _summary(rows: Sequence[Row]) -> str:
    columns = ("old_facade", "old_generated", "new_facade", "new_generated", "program")
    works = [sum(getattr(row, column) == WORKS for row in rows) for column in columns]
    return (
        f"Of {len(rows)} changes, the old facade works unchanged with the new server after {works[0]}, and the old "
        f"generated package after {works[1]}. With the old server, the new facade works after {works[2]}, and the new "
        f"generated package after {works[3]}. A program for the old generated package needs no change after {works[4]}."
    )
