"""The pages of the documentation, and the code in them.

    ```python      is run, all blocks of a page in one namespace
    ```output      is what the block before it prints; "..." stands for anything
    <!-- python:           begins code that readers do not see, up to `-->`
    <!-- needs: NAME -->   has the next block run only where that module can be imported
    <!-- not run: WHY -->  excuses the next block

It runs without pytest, for environments of other dependencies:
`python -m tests.docs.pages PAGE`.
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
    """A piece of a page.

    Attributes:
        kind: "python", "hidden" or "output".
        text: What is in it.
        line: Where it begins, from 0.
        needs: A module that it needs.
        excuse: Why it is not run.
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
    """Find what is run, and what it is to print."""
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
    """Run a page's code, as a script would be, and compare what it prints; how many blocks that were."""
    ran, said = 0, ""
    names["__name__"] = "__main__"
    for block in filter(lambda block: block.is_run, blocks_of(page)):
        if block.kind == "output":
            is_as_stated = doctest.OutputChecker().check_output(block.text, said, doctest.ELLIPSIS)
            assert is_as_stated, f"{page}:{block.line}: it printed\n{said}"
            continue
        code = compile("\n" * block.line + block.text, page, "exec")
        with redirect_stdout(io.StringIO()) as out:
            try:
                exec(code, names)  # noqa: S102 - our own pages
            except SystemExit as end:
                assert not end.code, f"{page}:{block.line}: it ended with {end.code}"  # noqa: PT017 - of the page
        said = out.getvalue()
        ran += block.kind == "python"
    return ran


if __name__ == "__main__":
    from impact_jobs.sandbox import Sandbox

    with Sandbox(job_seconds=0) as started:
        os.environ.update(started.environ)
        sys.stdout.write(f"{run(Path(sys.argv[1]), {'sandbox': started})} blocks ran\n")
