"""The table in docs/spec-diff.md: our verdict on each planted change beside Redocly's.

`python -m tests.interop.redocly_diff` updates it; it needs `make tests/interop/node_modules/.ready`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from spec.comparing.changes import compare  # noqa: E402 - the path of the scripts comes first

from tests.interop.processes import tool  # noqa: E402 - the same
from tests.interop.test_redocly import NO_TELEMETRY  # noqa: E402 - the same
from tests.spec.planted import PLANTED, Planted  # noqa: E402 - the same

PAGE: Final = ROOT / "docs" / "spec-diff.md"
_TABLE: Final = re.compile(r"^<!-- table begins -->\n.*?^<!-- table ends -->$", re.MULTILINE | re.DOTALL)
_WORDS: Final = {True: "breaks", False: "keeps"}


@dataclass(frozen=True)
class Row:
    """A planted change and the verdicts on it."""

    planted: Planted
    generated: bool
    facade: bool
    redocly: str

    @property
    def is_right(self) -> bool:
        """Whether both of our verdicts are right."""
        expected = self.planted.breaks_generated, self.planted.breaks_facade
        return (self.generated, self.facade) == expected

    @property
    def is_redocly_right(self) -> bool:
        """Whether Redocly calls it a major change if and only if it breaks the generated interface or the facade."""
        return (self.redocly == "major") == (self.planted.breaks_generated or self.planted.breaks_facade)


def rows() -> list[Row]:
    """Compare all planted changes with both tools."""
    redocly = tool("npm", "redocly")
    with ThreadPoolExecutor(2) as pool:
        bumps = [*pool.map(lambda planted: _bump(redocly, planted.old(), planted.new()), PLANTED)]
    found = []
    for planted, bump in zip(PLANTED, bumps, strict=True):
        changes = compare(planted.old(), planted.new())
        generated, facade = any(it.breaks_generated for it in changes), any(it.breaks_facade for it in changes)
        found.append(Row(planted, generated, facade, bump))
    return found


def _bump(redocly: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return the kind of release that Redocly proposes."""
    with tempfile.TemporaryDirectory() as folder:
        for name, document in (("old.json", old), ("new.json", new)):
            Path(folder, name).write_text(json.dumps(document), encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - our own arguments
            [redocly, "diff", "old.json", "new.json", "--format=json"],
            cwd=folder,
            env=os.environ | NO_TELEMETRY,
            capture_output=True,
            text=True,
            check=False,
        )
    report = json.loads(done.stdout)
    return str(report.get("bump", "none"))


def table(found: Iterable[Row]) -> str:
    """Return the figures and the table."""
    found = [*found]
    differing = [row for row in found if not row.is_redocly_right]
    total, ours = len(found), sum(row.is_right for row in found)
    theirs = sum(row.is_redocly_right for row in found)
    lines = [
        f"`make spec-diff` classifies {ours} of {total} planted changes correctly, both for the generated interface",
        "and for the facade. Redocly calls a change `major` if and only if it breaks one of the two in",
        f"{theirs} cases. In the other {len(differing)}, its verdict is not the one that we need:",
        "",
        "| change | generated interface | facade | Redocly | why |",
        "| --- | --- | --- | --- | --- |",
        *map(_row, differing),
        "",
        "On these, both agree that something breaks, or that nothing does:",
        "",
        "| change | generated interface | facade | Redocly | why |",
        "| --- | --- | --- | --- | --- |",
        *(_row(row) for row in found if row.is_redocly_right),
    ]
    return "\n".join(lines)


def _row(row: Row) -> str:
    facade = _WORDS[row.facade] if row.planted.document == "jobs" else ""
    wrong = "" if row.is_right else " (ours is wrong)"
    cells = (row.planted.name, _WORDS[row.generated] + wrong, facade, row.redocly, row.planted.why)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def rewritten(page: str, found: Callable[[], str]) -> str:
    """Return the page with the current table."""
    return _TABLE.sub(lambda _: f"<!-- table begins -->\n\n{found()}\n\n<!-- table ends -->", page)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), lambda: table(rows())), encoding="utf-8")
