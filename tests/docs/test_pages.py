"""The code on the pages runs against a sandbox and prints what the pages state."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

from tests.docs.pages import PAGES, ROOT, blocks_of, run

# Every block of these pages is quoted from the tests in a folder, which run anyway.
QUOTING = {"docs/testing.md": ROOT / "tests" / "plugin"}
WITH_CODE = [name for name, path in PAGES.items() if any(block.kind == "python" for block in blocks_of(path))]


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Provide an empty folder and a sandbox in the environment, and restore the logging afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    ours = logging.getLogger("impact_jobs")
    level, root_level, root_handlers = ours.level, logging.root.level, logging.root.handlers[:]
    with Sandbox(job_seconds=0) as sandbox:
        sandbox.add_job(age=3600)
        for variable, value in sandbox.environ.items():
            monkeypatch.setenv(variable, value)
        yield {"sandbox": sandbox}
    ours.setLevel(level)
    logging.root.setLevel(root_level)
    logging.root.handlers[:] = root_handlers


@pytest.mark.parametrize("name", sorted(set(WITH_CODE) - set(QUOTING)))
def test_the_code_of_a_page_runs(name: str, surroundings: dict[str, object]) -> None:
    runnable = sum(block.is_run and block.kind == "python" for block in blocks_of(PAGES[name]))
    assert run(PAGES[name], surroundings) == runnable


def test_each_block_of_the_first_ten_minutes_is_a_script_by_itself(surroundings: dict[str, object]) -> None:
    scripts = [block.text for block in blocks_of(PAGES["docs/first-ten-minutes.md"]) if block.kind != "output"]
    assert len(scripts) > 5
    for script in scripts:
        exec(script, dict(surroundings))  # noqa: S102 - our own page


@pytest.mark.parametrize("name", sorted(set(WITH_CODE) & set(QUOTING)))
def test_the_code_of_a_page_is_quoted_from_tests(name: str) -> None:
    tests = "\n".join(path.read_text() for path in sorted(QUOTING[name].rglob("*.py")))
    assert [block.line for block in blocks_of(PAGES[name]) if block.text.strip() not in tests] == []


@pytest.mark.interop
@pytest.mark.parametrize("name", ["dataframes", "tracing"])
def test_the_code_of_a_page_runs_with_the_libraries_that_it_needs(name: str, tmp_path: Path) -> None:
    page = PAGES[f"docs/howto/{name}.md"]
    done = subprocess.run(  # noqa: S603 - our own program
        [ROOT / ".venv-interop" / "bin" / "python", "-W", "error", "-m", "tests.docs.pages", page],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = sum(block.kind == "python" and not block.excuse for block in blocks_of(page))
    assert (done.returncode, done.stdout) == (0, f"{wanted} blocks ran\n"), done.stderr


def test_code_that_does_not_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    pages = {name: [block for block in blocks_of(path) if block.kind == "python"] for name, path in PAGES.items()}
    quoted = sum(len(pages.pop(name, [])) for name in QUOTING)
    blocks = [block for page in pages.values() for block in page]
    excused = Counter(block.excuse for block in blocks if block.excuse)
    elsewhere = Counter(block.needs for block in blocks if not block.is_run and not block.excuse)
    ran = sum(block.is_run for block in blocks)
    with capsys.disabled():
        print(f"\n{ran} of {len(blocks)} Python blocks of the documentation run here, {quoted} more as tests")  # noqa: T201
        for module, count in elsewhere.items():
            print(f"  {count} need {module}, and run in `make test-interop`")  # noqa: T201
        for reason, count in excused.items():
            print(f"  {count} excused: {reason}")  # noqa: T201
    assert ran > len(blocks) / 2
    assert all(excused)


def test_code_fits_the_width_of_a_page() -> None:
    pages = [PAGES[name] for name in WITH_CODE if name not in QUOTING]
    code = [block.text for page in pages for block in blocks_of(page) if block.kind == "python"]
    assert [line for text in code for line in text.splitlines() if len(line) > 92] == []


def test_every_make_target_on_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for path in PAGES.values() for target in re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text())}
    assert named
    assert named <= targets
