"""`make update`: what it changes, at which problems it stops, and that the tree is then as it was."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generate import ROOT
from import_pages import main as import_main
from spec import updating
from spec.build import DOCUMENT, GENERATED, Build, describe
from spec.copies import copy_tree
from spec.documents import render
from spec.folders import set_files
from spec.trees import Files, read_files
from update import main

from tests.spec import published

Change = Callable[[Any], object]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a copy of what an update reads and writes."""
    root = tmp_path / "project"
    for folder in ("openapi/jobs", "openapi/reports", GENERATED, "docs/changelog.d"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("overlay.json", "generator.yml", "merge.yml"):
        shutil.copy(ROOT / "openapi" / file, root / "openapi")
    (root / DOCUMENT).write_bytes(render(describe(root / "openapi").document))
    for file in ("pyproject.toml", "facade/impact_jobs/__init__.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    (root / "Makefile").write_text("quick:\n\t@echo 1 failed; exit 3\ntest:\n\t@echo passed\n", encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def _without_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the generated package as it is, because the generator takes a second."""

    def build(root: Path, _fragments: object) -> Build:
        package = {
            f"{GENERATED}/{name}": content
            for name, content in read_files(root / GENERATED).items()
            if name != "notes.txt"
        }
        return Build({DOCUMENT: render(describe(root / "openapi").document)} | package, [])

    monkeypatch.setattr(updating, "build", build)


def page(folder: Path, change: Change = lambda _: None) -> Path:
    """Write the page of jobs as the vendor would, after a change of each of its documents."""
    parts = ["# Jobs\n"]
    for path in sorted((ROOT / "openapi" / "jobs").glob("*.json")):
        if path.name != "source.json":
            document = json.loads(path.read_text(encoding="utf-8"))
            change(document)
            parts.append(f"## {path.stem}\n\n```json\n{json.dumps(document)}\n```\n")
    target = folder / "jobs.md"
    target.write_text("\n".join(parts), encoding="utf-8")
    return target


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return the contents and times of all files."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def run(project: Path, *arguments: str | Path, tests: str = "none") -> int:
    return main(["--root", str(project), "--tests", tests, *map(str, arguments)])


def job(document: Any) -> Any:
    return document["components"]["schemas"]["Job"]["properties"]


def add_field(document: Any) -> None:
    job(document)["Colour"] = {"type": "string"}


def remove_field(document: Any) -> None:
    job(document).pop("AbandonedDate", None)


def notes(project: Path) -> set[str]:
    return set(os.listdir(project / "docs/changelog.d")) - set(os.listdir(ROOT / "docs/changelog.d"))  # noqa: PTH208 - names


def test_a_harmless_change_reaches_the_tree_with_a_changelog_fragment(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project, page(tmp_path, add_field), tests="all") == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert notes(project) == {"+jobs-page.added.md"}
    text = (project / "docs/changelog.d/+jobs-page.added.md").read_text()
    assert text.startswith("The generated client follows the vendor's changed description of jobs. Nothing breaks: ")
    assert "Colour" in text
    assert "\n\n" not in text
    assert text.endswith(".\n")
    assert "Colour" in (project / DOCUMENT).read_text()
    for file in (DOCUMENT, "openapi/jobs/get-job.json", "docs/changelog.d/+jobs-page.added.md"):
        assert f"\n  {file}\n" in printed
    assert "s  make test\n" in printed
    assert not list(project.rglob(".*.new"))


def test_the_changelog_fragment_of_pages_of_several_groups_names_the_api(project: Path, tmp_path: Path) -> None:
    boats = tmp_path / "boats.md"
    boats.write_text(published.page(published.operation("listBoats", "/Boats")))
    assert run(project, page(tmp_path, add_field), boats) == 0
    text = (project / "docs/changelog.d/+api-page.added.md").read_text()
    assert text.startswith("The generated client follows the vendor's changed description of the API. Nothing breaks: ")


def test_the_same_page_again_changes_nothing(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(project, page(tmp_path)) == 0
    before = state(project)
    assert run(project, page(tmp_path)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert state(project) == before


def test_new_prose_needs_no_changelog_fragment(project: Path, tmp_path: Path) -> None:
    def reword(document: Any) -> None:
        job(document)["Id"]["description"] = "Other words."

    assert run(project, page(tmp_path, reword)) == 0
    assert notes(project) == set()


def test_a_second_update_keeps_the_changelog_fragment_of_the_first(project: Path, tmp_path: Path) -> None:
    assert run(project, page(tmp_path, add_field)) == 0
    assert run(project, page(tmp_path), "--breaking", "accept") == 0
    assert run(project, page(tmp_path, add_field)) == 0
    assert "+jobs-page-2.added.md" in notes(project)


def test_a_change_that_breaks_programs_is_a_problem_until_it_is_accepted(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def narrow(document: Any) -> None:
        for item in document["paths"].values():
            for operation in item.values():
                if operation["operationId"] == "listJobs":
                    extra = {"name": "Region", "in": "query", "required": True, "schema": {"type": "string"}}
                    operation["parameters"].append(extra)

    before = state(project)
    changed = page(tmp_path, narrow)
    assert run(project, changed) == 1
    error = capsys.readouterr().err
    assert "Region" in error
    assert "nothing has changed" in error
    assert state(project) == before


DOUBTS: dict[str, tuple[Change, str]] = {
    "what the facade relies on": (lambda document: job(document).pop("Id"), "facade"),
    "an overlay action without a match": (remove_field, "openapi/overlay.json:"),
    "invalid OpenAPI": (lambda document: job(document)["Id"].update(type="fish"), "/jobs.md:"),
}


@pytest.mark.parametrize(("change", "reason"), DOUBTS.values(), ids=DOUBTS)
def test_at_a_problem_it_stops_with_the_reason_and_changes_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Change, reason: str
) -> None:
    before = state(project)
    assert run(project, page(tmp_path, change)) == 1
    assert reason in capsys.readouterr().err
    assert state(project) == before


@pytest.fixture
def committed(project: Path) -> Path:
    """Commit the project."""
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message=All")):
        subprocess.run(["git", "-C", project, *command], check=True)  # noqa: S603, S607
    return project


def test_uncommitted_work_that_would_be_lost_is_named_and_stays(
    committed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = page(tmp_path, add_field)
    fragment = committed / "openapi/jobs/get-job.json"
    fragment.write_bytes(fragment.read_bytes().replace(b'"uuid"', b'"UUID"'))
    for name in ("openapi/merge.yml", "generated/notes.txt", "docs/changelog.d/+mine.added.md"):
        (committed / name).write_text("# mine\n")
    before = state(committed)
    assert run(committed, changed) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[:2] == [
        f"{name}: the update would overwrite a change that is not committed"
        for name in ("update: generated/notes.txt", "openapi/jobs/get-job.json")
    ]
    assert error[2].startswith("commit these files")
    assert state(committed) == before


def test_an_import_may_precede_the_update_of_the_same_page(committed: Path, tmp_path: Path) -> None:
    changed = page(tmp_path, add_field)
    assert import_main(["--root", str(committed), str(changed)]) == 0
    (committed / "openapi/merge.yml").write_text("# mine\n")
    assert run(committed, changed) == 0
    assert notes(committed) == {"+jobs-page.added.md"}


def test_a_damaged_page_is_named_and_changes_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = page(tmp_path)
    damaged.write_text(damaged.read_text().replace('"paths":', '"paths"', 1))
    before = state(project)
    assert run(project, damaged) == 1
    assert f"{damaged}:" in capsys.readouterr().err
    assert state(project) == before


def test_failing_tests_are_shown_and_change_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(project)
    assert run(project, page(tmp_path, add_field), tests="quick") == 1
    assert "    1 failed\n" in capsys.readouterr().err
    assert state(project) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_changes_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(updating, "run_tests", lambda *_: os.kill(os.getpid(), number))
    before = state(project)
    with pytest.raises(KeyboardInterrupt):
        run(project, page(tmp_path, add_field), tests="all")
    assert state(project) == before


def test_a_folder_that_cannot_be_replaced_leaves_the_others_as_they_were(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(folder: Path, files: Files) -> None:
        if folder.name == "changelog.d":
            raise OSError(28, "No space left on device", str(folder))
        set_files(folder, files)

    monkeypatch.setattr(updating, "set_files", fail)
    before = read_files(project)
    assert run(project, page(tmp_path, add_field)) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert read_files(project) == before


def test_a_tree_that_changes_in_the_meantime_is_left_alone(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(updating, "run_tests", lambda *_: (project / "openapi" / "notes.txt").touch())
    assert run(project, page(tmp_path, add_field), tests="all") == 1
    assert "has changed in the meantime" in capsys.readouterr().err
    assert notes(project) == set()


def test_a_copy_imports_from_itself_and_shares_the_environment(tmp_path: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy"
    packages = root / ".venv/lib/python3.11/site-packages"
    (packages / "library").mkdir(parents=True)
    (packages / "editable.pth").write_text(f"{root}/facade\n")
    (root / ".venv/bin").mkdir()
    (root / ".venv/bin/tool").write_text(f"#!{root}/.venv/bin/python\n")
    (root / ".venv/bin/tool").chmod(0o755)
    (root / ".venv/bin/python").symlink_to("/usr/bin/python3")
    (root / "node_modules").mkdir()
    copy_tree(root, copy)
    shared = copy / ".venv/lib/python3.11/site-packages"
    assert (shared / "editable.pth").read_text() == f"{copy}/facade\n"
    assert (shared / "library").readlink() == packages / "library"
    assert (copy / ".venv/bin/tool").read_text() == f"#!{copy}/.venv/bin/python\n"
    assert os.access(copy / ".venv/bin/tool", os.X_OK)
    assert (copy / ".venv/bin/python").readlink() == Path("/usr/bin/python3")
    assert not (copy / "node_modules").exists()
