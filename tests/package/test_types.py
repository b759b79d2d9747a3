"""Type checkers accept tests/typing/uses.py and refuse each marked line of tests/typing/misuses.py.

They see the installed wheel and not the source, as for users. mypy always runs; pyright and ty run with the peers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from impact_jobs import AsyncJobsClient, DownloadResult, FetchReport, Job, JobsClient, Polling, Retry

from tests.package.conftest import ROOT

FILES = ROOT / "tests" / "typing"
# What mypy finds in the standard library and in the dependencies holds for the next run.
CACHE = ROOT / ".cache" / "mypy-typing"
MARK = re.compile(r"  # type: ignore\[.*$", re.MULTILINE)
ERROR = re.compile(r"(\w+\.py):(\d+):(?:\d+:?)?[ -]*error")  # in the format of all three
PYRIGHT = ROOT / "tests" / "interop" / "node_modules" / ".bin" / "pyright"
TY = ROOT / ".venv-interop" / "bin" / "ty"

Command = list[str | Path]


def mypy(python: Path) -> Command:
    return [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--strict",
        "--cache-dir",
        CACHE,
        "--python-executable",
        python,
    ]


def pyright(python: Path) -> Command:
    return [PYRIGHT, "--pythonpath", python]


def ty(python: Path) -> Command:
    return [TY, "check", "--output-format", "concise", "--python", python]


def check(command: Command, *files: str, folder: Path) -> str:
    if not Path(command[0]).exists():
        pytest.fail(f"{command[0]} is not installed: run `make test-interop`", pytrace=False)
    done = subprocess.run([*command, *files], capture_output=True, text=True, cwd=folder, check=False)  # noqa: S603
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a folder with both files, without their marks, and a strict configuration of pyright."""
    for path in FILES.glob("*uses.py"):
        (tmp_path / path.name).write_text(MARK.sub("", path.read_text()))
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    return tmp_path


@pytest.mark.parametrize(
    "checker", [mypy, pytest.param(pyright, marks=pytest.mark.interop), pytest.param(ty, marks=pytest.mark.interop)]
)
def test_a_checker_accepts_the_uses_and_refuses_the_misuses(
    checker: Callable[[Path], Command], program: Path, clean_python: Path
) -> None:
    output = check(checker(clean_python), "uses.py", "misuses.py", folder=program)
    found = {(name, int(line)) for name, line in ERROR.findall(output)}
    wrong = (FILES / "misuses.py").read_text().splitlines()
    assert found == {("misuses.py", number) for number, line in enumerate(wrong, 1) if MARK.search(line)}, output


def test_the_checked_program_uses_every_method_and_every_field() -> None:
    program = (FILES / "uses.py").read_text()
    blocking, awaited = program.split("async def", maxsplit=1)
    for text, client in ((blocking, JobsClient), (awaited, AsyncJobsClient)):
        verbs = {name for name in vars(client) if not name.startswith("_")}
        assert verbs <= set(re.findall(r"(?:jobs|JobsClient)\.(\w+)", text))
    fields = {
        field.name for value in (Job, DownloadResult, FetchReport, Retry, Polling) for field in attrs.fields(value)
    }
    assert fields - {"history"} <= set(re.findall(r"assert_type\(\w+\.(\w+),", program))  # its type is not public
