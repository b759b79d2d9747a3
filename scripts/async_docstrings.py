"""Copy the docstrings of `JobsClient` to `AsyncJobsClient`, with the examples in asynchronous form.

Editors read docstrings from the source, so both clients have theirs in it; they are written once, in client.py. `make
format` runs this script; with `--check` it changes nothing and fails if async_client.py is out of date. Only docstrings
are copied: the code of both clients is written by hand.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

FACADE = Path(__file__).resolve().parent.parent / "facade" / "impact_jobs"
SOURCE, TARGET = FACADE / "client.py", FACADE / "async_client.py"
_CODE = re.compile(r"^ *(?:>>>|\.\.\.) .*$", re.MULTILINE)
_SUBSTITUTIONS = (
    (re.compile(r"\.close\("), ".aclose("),
    (re.compile(r"\bJobsClient\b"), "AsyncJobsClient"),
    (re.compile(r"\b(for \w+ in (?:jobs\.list|brand\.list|jobs\.reports|jobs\.as_completed|stream)\b)"), r"async \1"),
    (re.compile(r"\b(with (?:AsyncJobsClient|jobs\.stream)\b)"), r"async \1"),
    (re.compile(r"\b(\w+)\.sync\("), r"await \1.asyncio("),
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def asynchronous(docstring: str, awaited: Iterable[str]) -> str:
    """Rewrite the code of the examples in a docstring for `AsyncJobsClient`, whose methods `awaited` are coroutines."""
    awaited_call = re.compile(rf"(?<![\w.])(\w+)\.({'|'.join(awaited)})\(")

    def rewrite(line: re.Match[str]) -> str:
        code = line[0]
        for pattern, replacement in _SUBSTITUTIONS:
            code = pattern.sub(replacement, code)
        return awaited_call.sub(r"await \1.\2(", code)

    return _CODE.sub(rewrite, docstring)


def awaited_methods(target: str) -> list[str]:
    """Return the names of the `async def` methods of `AsyncJobsClient`, given the text of async_client.py."""
    return [method.name for method in _methods(target, "AsyncJobsClient") if isinstance(method, ast.AsyncFunctionDef)]


def synced(source: str, target: str) -> str:
    """Return the text of async_client.py with the docstrings of client.py.

    Args:
        source: The text of client.py.
        target: The text of async_client.py.
    """
    written = source.splitlines(keepends=True)
    docstrings = {
        {"close": "aclose"}.get(method.name, method.name): "".join(written[_docstring_lines(method)])
        for method in _methods(source, "JobsClient")
    }
    lines, awaited = target.splitlines(keepends=True), awaited_methods(target)
    for method in reversed(list(_methods(target, "AsyncJobsClient"))):
        lines[_docstring_lines(method)] = [asynchronous(docstrings.get(method.name, ""), awaited)]
    return "".join(lines)


def _docstring_lines(method: Function) -> slice:
    first = method.body[0]
    return slice(first.lineno - 1, first.end_lineno if ast.get_docstring(method) else first.lineno - 1)


def _methods(source: str, name: str) -> Iterator[Function]:
    (found,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    for node in found.body:
        is_overload = isinstance(node, Function) and "overload" in map(ast.unparse, node.decorator_list)
        if isinstance(node, Function) and not is_overload:
            yield node


def main() -> int:
    """Update async_client.py, or check it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something would change")
    check: bool = parser.parse_args().check
    text = synced(SOURCE.read_text(), TARGET.read_text())
    if text == TARGET.read_text():
        return 0
    if check:
        print(f"The docstrings of {TARGET.name} differ from those of {SOURCE.name}: run `make format`.")
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
