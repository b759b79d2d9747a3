"""The command `make spec-diff`: what it compares, its exit codes, and what it says if it can't."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import spec_diff

from tests.spec.planted import FILES, drop, put

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "openapi/agency-api.json"
STATUS = ("components", "schemas", "Job", "properties", "Status", "description")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = spec_diff.main([*map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def git(tree: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=t", "-c", "user.email=t@invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", tree, *settings, *arguments], check=True, capture_output=True)  # noqa: S603, S607


@pytest.fixture
def committed(tree: Path) -> Path:
    """Give a copy of the tree that is committed."""
    version = tree / "facade" / "impact_jobs" / "__init__.py"
    version.parent.mkdir(parents=True)
    version.write_text('__version__ = "0.2.0"\n')
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "State")
    return tree


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_tree_that_is_as_committed_has_no_changes(run: Run, committed: Path) -> None:
    said = "From HEAD to the tree\n\nThe description means the same in HEAD and in the tree.\n"
    assert run("--root", committed) == (0, said, "")


def test_a_change_of_descriptions_breaks_nothing(run: Run, committed: Path) -> None:
    edit(committed / DOCUMENT, put("Where it stands.", *STATUS))
    code, out, _ = run("--root", committed)
    assert code == 0
    assert out.endswith("Nothing breaks.\nAfter 0.2.0, the next version is 0.2.1 or later (patch).\n")


def test_a_breaking_change_is_1(run: Run, committed: Path) -> None:
    edit(committed / DOCUMENT, drop(*STATUS[:-1]))
    code, out, _ = run("--root", committed, "--base", "HEAD")
    assert code == 1
    assert "Field Job.Status is removed" in out


def test_a_change_of_the_package_alone_is_1(run: Run, committed: Path) -> None:
    (committed / "generated" / "impact_agency_api" / "models" / "job_type.py").unlink()
    code, out, _ = run("--root", committed)
    assert code == 1
    assert "models.JobType is gone" in out


@pytest.mark.parametrize("form", ["json", "markdown", "text"])
def test_two_documents_are_compared_without_git(run: Run, tmp_path: Path, form: str) -> None:
    new = tmp_path / "new.json"
    new.write_bytes(FILES["jobs"].read_bytes())
    assert run("--old", FILES["jobs"], "--new", new, "--format", form)[0] == 0
    edit(new, drop(*STATUS[:-1]))
    code, out, _ = run("--old", FILES["jobs"], "--new", new, "--format", form)
    assert code == 1
    assert "ield Job.Status is removed" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        (b"{", "not a JSON document"),
        (b"\xff", "not text in UTF-8"),
        (b"[]", "not a JSON object"),
        (b"{}", "not an OpenAPI document"),
        (b'{"openapi": "3.1.0", "paths": []}', "not an OpenAPI document"),
        (b'{"a": 1, "a": 2}', "appears twice"),
    ],
)
def test_what_is_no_description_is_2(run: Run, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "new.json"
    if content is not None:
        path.write_bytes(content)
    code, out, err = run("--old", FILES["jobs"], "--new", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"spec-diff: {path}")
    assert said in err


@pytest.mark.parametrize(
    "content",
    [
        {"paths": {"/a": None}},
        {"paths": {"/a": {"get": {"parameters": {}, "responses": [], "tags": "x", "security": {}}}}},
        {"paths": {"/a": {"get": {"parameters": [1, {"name": 2}], "responses": {"200": 1}, "requestBody": []}}}},
        {"paths": {}, "components": {"schemas": [], "securitySchemes": 1}},
        {"paths": {}, "components": {"schemas": {"A": 1, "B": {"properties": [], "required": {}, "enum": "x"}}}},
        {"paths": {}, "servers": {}, "tags": "x", "info": []},
    ],
)
def test_a_malformed_description_ends_without_a_traceback(run: Run, tmp_path: Path, content: dict[str, object]) -> None:
    path = tmp_path / "new.json"
    path.write_text(json.dumps({"openapi": "3.1.0", **content}))
    assert run("--old", FILES["jobs"], "--new", path)[0] == 1
    assert run("--old", path, "--new", FILES["jobs"])[0] in (0, 1)
    assert run("--old", path, "--new", path)[0] == 0


def test_an_unknown_commit_is_2(run: Run, committed: Path) -> None:
    code, out, err = run("--root", committed, "--base", "v9")
    assert (code, out) == (2, "")
    assert err == f"spec-diff: {committed}: git finds no commit v9\n    name a branch, a tag or a commit\n"


@pytest.mark.parametrize("ref", ["--output=x", "HEAD:openapi", ""])
def test_what_is_no_commit_is_2(run: Run, committed: Path, ref: str) -> None:
    assert run("--root", committed, f"--base={ref}")[0] == 2


def test_a_commit_without_a_description_is_2(run: Run, committed: Path) -> None:
    git(committed, "rm", "--quiet", "--cached", DOCUMENT)
    git(committed, "commit", "--quiet", "--message", "Less")
    code, _, err = run("--root", committed)
    assert code == 2
    assert f"HEAD lacks {DOCUMENT}" in err


def test_a_commit_without_a_version_is_2(run: Run, committed: Path) -> None:
    (committed / "facade" / "impact_jobs" / "__init__.py").write_text("")
    git(committed, "commit", "--quiet", "--all", "--message", "Less")
    code, _, err = run("--root", committed)
    assert (code, "has no version such as 1.2.3" in err) == (2, True)


def test_a_folder_without_git_is_2(run: Run, tree: Path) -> None:
    assert run("--root", tree)[0] == 2


def test_one_document_alone_is_an_error_of_use(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("--old", FILES["jobs"])
    assert "--old and --new belong together" in capsys.readouterr().err


def test_nothing_is_written(run: Run, committed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in committed.rglob("*") if ".git" not in path.parts}
    run("--root", committed)
    assert {path: path.stat().st_mtime_ns for path in committed.rglob("*") if ".git" not in path.parts} == before
