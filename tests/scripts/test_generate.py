"""The command: what it writes, what --check sees, and that no machine changes a byte."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import generate
import generator
import pytest
from documents import read_object, render
from generate import DOCUMENT, GENERATED, ROOT, main
from trees import differences, read_files

JOB = "generated/impact_agency_api/models/job.py"


def files(root: Path) -> dict[str, bytes]:
    """Read what generation reads and writes."""
    return {
        f"{folder}/{name}": content
        for folder in ("openapi", GENERATED)
        for name, content in read_files(root / folder).items()
    }


def spoil(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def state(tree: Path) -> dict[Path, tuple[int, bytes]]:
    """Tell a tree that was written to from one that wasn't, even when the bytes are the same."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in tree.rglob("*")}


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("generate: ")
    return captured.err


def test_the_tree_is_what_openapi_gives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    assert "are what openapi/ gives" in capsys.readouterr().out


CHANGES: dict[str, Callable[[Path], object]] = {
    f"{JOB}: differs": lambda tree: spoil(tree / JOB),
    f"{JOB}: missing": lambda tree: (tree / JOB).unlink(),
    "generated/impact_agency_api/extra.py: nothing generates it": (
        lambda tree: (tree / "generated/impact_agency_api/extra.py").touch()
    ),
    "generated/notes.txt: nothing generates it": lambda tree: (tree / "generated/notes.txt").touch(),
    f"{DOCUMENT}: differs": lambda tree: spoil(tree / DOCUMENT),
    f"{DOCUMENT}: missing": lambda tree: (tree / DOCUMENT).unlink(),
}


@pytest.mark.parametrize(("said", "change"), CHANGES.items(), ids=CHANGES)
def test_check_sees_every_byte_says_what_to_do_and_touches_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str], said: str, change: Callable[[Path], object]
) -> None:
    change(tree)
    before = state(tree)
    error = fails(capsys, "--check", "--root", tree)
    assert error.splitlines()[1:] == [f"  {said}"]
    assert "run `make generate`" in error
    assert state(tree) == before


def test_generating_starts_from_nothing(tree: Path) -> None:
    expected = files(tree)
    spoil(tree / JOB)
    (tree / JOB).with_name("stale.py").touch()
    (tree / "generated" / "stale" / "deep").mkdir(parents=True)
    (tree / "generated" / "stale" / "deep" / "module.py").touch()
    (tree / DOCUMENT).unlink()
    assert main(["--root", str(tree)]) == 0
    assert files(tree) == expected
    assert not (tree / "generated" / "stale").exists()


def test_what_python_caches_is_not_looked_at(tree: Path) -> None:
    before = generate.current(tree)
    assert JOB in before
    cache = (tree / JOB).parent / "__pycache__"
    cache.mkdir()
    (cache / "job.pyc").touch()
    assert generate.current(tree) == before


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / GENERATED / "impact_agency_api" / "py.typed").read_bytes() == b""


def test_no_machine_changes_a_byte(tree: Path, tmp_path: Path) -> None:
    """All at once: another folder, home, language and umask, a ruff on PATH that isn't ours, and its settings."""
    hostile = tmp_path / "hostile"
    (hostile / ".git").mkdir(parents=True)  # with it, a .gitignore counts
    (hostile / ".gitignore").write_text("*\n", encoding="utf-8")
    (hostile / "pyproject.toml").write_text("[tool.ruff]\nline-length = 40\n", encoding="utf-8")
    for folder in (hostile / "home/.config/ruff", hostile / "home/.config/git", hostile / "bin", hostile / "tmp"):
        folder.mkdir(parents=True)
    (hostile / "home/.config/ruff/ruff.toml").write_text("line-length = 40\n", encoding="utf-8")
    (hostile / "home/.config/git/ignore").write_text("*\n", encoding="utf-8")
    (hostile / "bin" / "ruff").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    (hostile / "bin" / "ruff").chmod(0o755)
    environment = {
        "HOME": str(hostile / "home"),
        "LANG": "tr_TR.ISO-8859-9",
        "LC_ALL": "tr_TR.ISO-8859-9",
        "PATH": f"{hostile / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONHASHSEED": "7",
        "RUFF_CONFIG": str(hostile / "pyproject.toml"),
        "TMPDIR": str(hostile / "tmp"),
        "TZ": "Pacific/Kiritimati",
    }
    expected = files(tree)
    for name in expected:
        if name == DOCUMENT or name.startswith(GENERATED):
            (tree / name).unlink()
    done = subprocess.run(  # noqa: S603 - every argument is ours
        [sys.executable, ROOT / "scripts" / "generate.py", "--root", tree],
        cwd=hostile,
        env=environment,
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tree) == expected


def test_the_order_in_which_a_disk_lists_files_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    in_order = render(generate.build_document(ROOT))
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: sorted(glob(path, pattern), reverse=True))
    assert render(generate.build_document(ROOT)) == in_order


def test_a_contradiction_between_fragments_is_one_line_with_both_files(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fragment = tree / "openapi" / "replay-job.json"
    fragment.write_bytes(fragment.read_bytes().replace(b"The unique job identifier (UUID).", b"A number.", 1))
    assert fails(capsys, "--root", tree) == (
        "generate: openapi/download-job-result.json and openapi/replay-job.json differ at "
        "/components/parameters/JobId/description\n"
    )
    assert files(tree)[JOB] == (ROOT / JOB).read_bytes()


def test_a_correction_that_fits_nothing_any_more_is_one_line_with_its_index_and_target(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = read_object(tree / "openapi" / "overlay.json")
    assert isinstance(overlay["actions"], list)
    index = len(overlay["actions"])
    overlay["actions"].append({"target": "$.webhooks", "remove": True})
    (tree / "openapi" / "overlay.json").write_bytes(render(overlay))
    error = fails(capsys, "--root", tree)
    assert error.startswith(f"generate: openapi/overlay.json: actions[{index}] (target $.webhooks) matches nothing")
    assert error.count("\n") == 1


def test_a_part_that_the_generator_would_leave_out_is_an_error(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fragment = tree / "openapi" / "list-jobs.json"
    fragment.write_bytes(fragment.read_bytes().replace(b'"application/json"', b'"application/x-unknown"', 1))
    error = fails(capsys, "--root", tree)
    assert "x-unknown" in error
    assert files(tree)[JOB] == (ROOT / JOB).read_bytes()


@pytest.mark.parametrize("tool", ["ruff", "openapi-python-client"])
def test_any_tool_but_the_pinned_one_is_refused(tree: Path, capsys: pytest.CaptureFixture[str], tool: str) -> None:
    pyproject = tree / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    assert text.count(f'"{tool}==') == 1
    pyproject.write_text(text.replace(f'"{tool}==', f'"{tool}==9'), encoding="utf-8")
    error = fails(capsys, "--check", "--root", tree)
    assert error.startswith(f"generate: {tool} ")
    assert error.endswith("is pinned: run `make setup`\n")
    pyproject.write_text(text.replace(f'"{tool}==', f'"{tool}>='), encoding="utf-8")
    assert f"pins no {tool} in its dev group" in fails(capsys, "--check", "--root", tree)


def test_a_ruff_that_is_not_there_is_said(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "TOOLS", tree)
    assert fails(capsys, "--root", tree).endswith("run `make setup`\n")


def test_a_folder_that_is_no_tree_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "pyproject.toml has no readable dev group" in fails(capsys, "--root", tmp_path)


def test_differences_are_told_in_order_of_path() -> None:
    assert list(differences({"a": b"1", "c": b"1", "d": b"1"}, {"a": b"2", "b": b"1", "d": b"1"})) == [
        "a: differs",
        "b: nothing generates it",
        "c: missing",
    ]
