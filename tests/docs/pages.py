"""The pages of the documentation, and the code in them.

    ```python              runs; all blocks of a page share one namespace
    ```output              is the output of the block before it; "..." stands for any text
    <!-- python:           starts code that readers do not see, up to `-->`
    <!-- needs: NAME -->   runs the next block only if that module can be imported
    <!-- not run: WHY -->  skips the next block
    <!-- file: NAME -->    saves the next block, of any kind, in the working folder instead
    ```shell               runs: the command `impact-jobs`, and scripts that were saved, in this process

`python -m tests.docs.pages PAGE` runs one page without pytest, for environments with other dependencies.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
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
    r"^```(?P<kind>python|output|shell|toml)\n(?P<text>.*?)^```$"
    r"|^<!-- python:\n(?P<hidden>.*?)^-->$"
    r"|^<!-- (?P<mark>needs|not run|file): (?P<what>[^\n]*?) -->$",
    re.MULTILINE | re.DOTALL,
)


@frozen
class Block:
    """A block of a page.

    Attributes:
        kind: "python", "hidden", "output", "shell" or "toml".
        text: Its text.
        line: The line on which it starts, counted from 0.
        needs: A module that it needs, or "".
        excuse: Why it does not run, or "".
        file: The name of the file that it is saved as, or "".
    """

    kind: str
    text: str
    line: int
    needs: str = ""
    excuse: str = ""
    file: str = ""

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
            needs, excuse, file = (marks.pop(mark, "") for mark in ("needs", "not run", "file"))
        yield Block(found["kind"] or "hidden", found["hidden"] or found["text"], line, needs, excuse, file)


def run(page: Path, names: dict[str, Any]) -> int:
    """Run a page's code as a script, compare its output, and return how many visible blocks ran."""
    ran, printed = 0, ""
    names["__name__"] = "__main__"
    for block in filter(lambda block: block.is_run, blocks_of(page)):
        where = f"{page}:{block.line}"
        ran += block.kind == "python"
        if block.file:
            Path(block.file).write_text(block.text)
        elif block.kind == "output":
            is_as_stated = doctest.OutputChecker().check_output(block.text, printed, doctest.ELLIPSIS)
            assert is_as_stated, f"{where}: it printed\n{printed}"
        elif block.kind == "shell":
            printed = "".join(_output_of(partial(_run_line, line), where) for line in block.text.splitlines())
        elif block.kind != "toml":
            code = compile("\n" * block.line + block.text, page, "exec")
            printed = _output_of(partial(exec, code, names), where)
    return ran


def _output_of(action: Callable[[], object], where: str) -> str:
    with redirect_stdout(io.StringIO()) as out:
        try:
            action()
        except SystemExit as end:
            assert not end.code, f"{where}: it ended with {end.code}"  # noqa: PT017 - the page raised it
    return out.getvalue()


def _run_line(line: str) -> None:
    command, *arguments = shlex.split(line, comments=True)
    if command == "python":
        runpy.run_path(arguments[0], run_name="__main__")
        return
    from impact_jobs.cli.app import cli  # noqa: PLC0415 - an extra

    assert command == "impact-jobs", f"{command} is not run here"
    cli(arguments, prog_name="impact-jobs")


if __name__ == "__main__":
    from impact_jobs.sandbox import Sandbox

    with Sandbox(job_seconds=0) as started:
        os.environ.update(started.environ)
        sys.stdout.write(f"{run(Path(sys.argv[1]), {'sandbox': started})} blocks ran\n")
