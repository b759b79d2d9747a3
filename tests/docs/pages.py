"""The pages of the documentation, and the code in them.

    ```python              runs; all blocks of a page share one namespace
    ```output              is the output of the block before it; "..." stands for any text
    <!-- python:           starts code that readers do not see, up to `-->`
    <!-- needs: NAME -->   runs the next block only if that module can be imported
    <!-- not run: WHY -->  skips the next block

`python -m tests.docs.pages PAGE` runs one page without pytest, for environments with other dependencies.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if not {"_build", "changelog.d"} & set(path.parts)
}
_BLOCK = re.compile(
    r"^```(?P<kind>python|output)\n(?P<text>.*?)^```$"
    r"|^<!-- python:\n(?P<hidden>.*?)^-->$"
    r"|^<!-- (?P<mark>needs|not run): (?P<what>[^\n]*?) -->$",
    re.MULTILINE | re.DOTALL,
)


@frozen
class Block:
    """A block of a page.

    Attributes:
        kind: "python", "hidden" or "output".
        text: Its text.
        line: The line on which it starts, counted from 0.
        needs: A module that it needs, or "".
        excuse: Why it does not run, or "".
    """

    kind: str
    text: str
    line: int
    needs: str = ""
    excuse: str = ""

    @property
    def is_run(self) -> bool:
        return not self.excuse and not (self.needs and find_spec(self.needs) is None)


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the code of a page and its expected output."""
    source = page.read_text()
    marks: dict[str, str] = {}
    for found in _BLOCK.finditer(source):
        if found["mark"]:
            marks[found["mark"]] = found["what"]
            continue
        line = source[: found.start()].count("\n") + 1
        if found["kind"] != "output":
            needs, excuse = marks.pop("needs", ""), marks.pop("not run", "")
        yield Block(found["kind"] or "hidden", found["hidden"] or found["text"], line, needs, excuse)


def run(page: Path, names: dict[str, Any]) -> int:
    """Run a page's code as a script, compare its output, and return how many visible blocks ran."""
    ran, printed = 0, ""
    names["__name__"] = "__main__"
    for block in filter(lambda block: block.is_run, blocks_of(page)):
        if block.kind == "output":
            is_as_stated = doctest.OutputChecker().check_output(block.text, printed, doctest.ELLIPSIS)
            assert is_as_stated, f"{page}:{block.line}: it printed\n{printed}"
            continue
        code = compile("\n" * block.line + block.text, page, "exec")
        with redirect_stdout(io.StringIO()) as out:
            try:
                exec(code, names)  # noqa: S102 - our own pages
            except SystemExit as end:
                assert not end.code, f"{page}:{block.line}: it ended with {end.code}"  # noqa: PT017 - the page raised it
        printed = out.getvalue()
        ran += block.kind == "python"
    return ran


if __name__ == "__main__":
    from impact_jobs.sandbox import Sandbox

    with Sandbox(job_seconds=0) as started:
        os.environ.update(started.environ)
        sys.stdout.write(f"{run(Path(sys.argv[1]), {'sandbox': started})} blocks ran\n")
