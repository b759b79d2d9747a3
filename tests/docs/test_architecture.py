"""The files that the documentation names exist, and docs/architecture.md describes the real path of a call."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from impact_jobs import Job, JobsClient, Polling
from impact_jobs.sandbox import Sandbox

from tests.docs.pages import PAGES, ROOT

PACKAGE = ROOT / "facade" / "impact_jobs"
PAGE = PAGES["docs/architecture.md"]
_FILE = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|toml|json))(?::\w+)?`")
_NAMES_IN_FILE = re.compile(r"`([\w/]+\.py)` \((`[\w.]+`(?:, `[\w.]+`)*)\)")
NOT_OURS = {
    "first.py", "test_first.py", "load.py", "nightly.py", ".part.json", "credentials.toml", "reports.toml", "jobs.md",
}  # fmt: skip


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


def test_every_function_that_the_page_places_in_a_file_is_there() -> None:
    placed = [(file, name) for file, names in _NAMES_IN_FILE.findall(PAGE.read_text()) for name in names.split(", ")]
    assert len(placed) > 8
    missing = [
        f"{name} in {file}"
        for file, name in placed
        for word in name.strip("`").split(".")
        if not re.search(rf"\b(?:class|def) {word}\b", (PACKAGE / file).read_text())
    ]
    assert missing == []


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


@pytest.mark.parametrize("verb", ["wait", "download"])
def test_the_path_of_a_call_names_the_modules_that_it_enters(verb: str, tmp_path: Path) -> None:
    section = PAGE.read_text().split(f"<!-- modules of {verb} begin -->")[1].split(f"<!-- modules of {verb} end -->")[0]
    server_time = [1_780_056_000.0]
    polling = Polling(minimum=0.01, maximum=0.01)

    def finish_job(_: Job) -> None:
        server_time[0] += 60

    def call(jobs: JobsClient, job_id: str, path: Path) -> set[str]:
        if verb == "download":
            return modules_entered(lambda: jobs.download(job_id, path))
        return modules_entered(lambda: jobs.wait(job_id, polling=polling, on_update=finish_job))

    with (
        Sandbox(job_seconds=60, result_bytes=20_000, clock=lambda: server_time[0]) as sandbox,
        sandbox.client() as jobs,
    ):
        finished, new = sandbox.add_job(age=60), sandbox.add_job()
        jobs.download(finished, tmp_path / "first.csv")  # leaves out what happens once in a process
        entered = call(jobs, finished if verb == "download" else new, tmp_path / "second.csv")
    values = {"models.py"}  # few calls run a method of one
    named = set(_FILE.findall(section)) - values
    entered -= values
    assert named == entered, f"missing: {sorted(entered - named)}, not entered: {sorted(named - entered)}"
