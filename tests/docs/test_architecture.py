"""The files that the documentation names exist, and docs/architecture.md describes the real path of a call."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from impact_jobs import JobsClient, Polling
from impact_jobs.sandbox import Sandbox

from tests.docs.pages import PAGES, ROOT

PACKAGE = ROOT / "facade" / "impact_jobs"
PAGE = PAGES["docs/architecture.md"]
_FILE = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml|json))(?::\w+)?`")
NOT_OURS = {"first.py", "test_first.py", "nightly.py", ".part.json", "credentials.toml"}
POLLING = Polling(minimum=0.05, maximum=0.05)
CALLS: dict[str, Callable[[JobsClient, str, Path], object]] = {
    "wait": lambda jobs, job_id, _: jobs.wait(job_id, polling=POLLING),
    "download": lambda jobs, job_id, folder: jobs.download(job_id, folder / "a.csv"),
}


def test_every_file_that_is_named_exists() -> None:
    pages = [*PAGES.values(), ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"]
    named = {(page, name) for page in pages for name in _FILE.findall(page.read_text())}
    assert len(named) > 100
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page, name in named
        if name not in NOT_OURS and not any((folder / name).exists() for folder in (ROOT, PACKAGE, PAGE.parent))
    }
    assert missing == set()


def modules_entered(call: Callable[[], object]) -> set[str]:
    """Return the modules of the client, below the package, whose functions `call` runs in this thread."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(PACKAGE) and not file.is_relative_to(PACKAGE / "sandbox"):
            entered.add(str(file.relative_to(PACKAGE)))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


@pytest.mark.parametrize("verb", CALLS)
def test_the_path_of_a_call_names_the_modules_that_it_enters(verb: str, tmp_path: Path) -> None:
    section = PAGE.read_text().split(f"<!-- modules of {verb} begin -->")[1].split(f"<!-- modules of {verb} end -->")[0]
    with Sandbox(job_seconds=0.1, result_bytes=20_000) as sandbox, sandbox.client() as jobs:
        jobs.download(sandbox.add_job(age=60), tmp_path / "first.csv")  # leaves out what happens once in a process
        job_id = sandbox.add_job(age=60 if verb == "download" else 0)
        entered = modules_entered(lambda: CALLS[verb](jobs, job_id, tmp_path))
    assert set(_FILE.findall(section)) - {"models.py"} == entered - {"models.py"}
