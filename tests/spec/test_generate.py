"""The command: its output, its --check, and its independence from the machine."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from generate import ROOT, main
from spec import build as building
from spec import folders
from spec.build import DOCUMENT, GENERATED
from spec.documents import render
from spec.generating import generator
from spec.texts.sources import read_source
from spec.trees import differences, read_files

JOB = "generated/impact_agency_api/models/job.py"


def files(root: Path) -> dict[str, bytes]:
    """Read all files that the generation reads and writes."""
    return {
        f"{folder}/{name}": content
        for folder in ("openapi", GENERATED)
        for name, content in read_files(root / folder).items()
    }


def corrupt(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def state(tree: Path) -> dict[Path, tuple[int, bytes]]:
    """Return the contents and times of all files, which reveal any write."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in tree.rglob("*")}


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("generate: ")
    return captured.err


@pytest.fixture(scope="module")
def built() -> building.Build:
    return building.build(ROOT)


@pytest.fixture
def _prebuilt(built: building.Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the generator, which takes a second, in tests of what becomes of its output."""
    monkeypatch.setattr(building, "build", lambda _root: built)


@pytest.mark.usefixtures("_prebuilt")
def test_the_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err
    assert "are up to date" in capsys.readouterr().out


CHANGES: dict[str, Callable[[Path], object]] = {
    f"{JOB}: differs": lambda tree: corrupt(tree / JOB),
    f"{JOB}: missing": lambda tree: (tree / JOB).unlink(),
    "generated/impact_agency_api/extra.py: nothing generates it": (
        lambda tree: (tree / "generated/impact_agency_api/extra.py").touch()
    ),
    "generated/notes.txt: nothing generates it": lambda tree: (tree / "generated/notes.txt").touch(),
    f"{DOCUMENT}: differs": lambda tree: corrupt(tree / DOCUMENT),
    f"{DOCUMENT}: missing": lambda tree: (tree / DOCUMENT).unlink(),
}


@pytest.mark.usefixtures("_prebuilt")
@pytest.mark.parametrize(("reported", "change"), CHANGES.items(), ids=CHANGES)
def test_check_reports_every_difference_and_changes_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str], reported: str, change: Callable[[Path], object]
) -> None:
    change(tree)
    before = state(tree)
    error = fails(capsys, "--check", "--root", tree)
    assert error.splitlines()[1:] == [f"  {reported}"]
    assert "run `make generate`" in error
    assert state(tree) == before


@pytest.mark.usefixtures("_prebuilt")
def test_generating_replaces_all_old_files(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = files(tree)
    corrupt(tree / JOB)
    (tree / JOB).with_name("stale.py").touch()
    (tree / "generated" / "stale" / "deep").mkdir(parents=True)
    (tree / "generated" / "stale" / "deep" / "module.py").touch()
    (tree / DOCUMENT).unlink()
    assert main(["--root", str(tree)]) == 0
    assert files(tree) == expected
    assert not (tree / "generated" / "stale").exists()
    assert re.search(r"/: 2 of \d+ files written, 2 removed\n", capsys.readouterr().out)
    assert main(["--root", str(tree)]) == 0
    assert capsys.readouterr().out.endswith("are up to date; nothing has changed\n")


@pytest.mark.usefixtures("_prebuilt")
def test_a_kill_leaves_the_old_package_and_the_next_run_cleans_up(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corrupt(tree / JOB)
    corrupt(tree / DOCUMENT)
    (tree / "generated" / "notes.txt").touch()
    old, exchange = read_files(tree / GENERATED), folders._exchange

    def killed(one: Path, other: Path) -> bool:
        if other.name == GENERATED:
            os._exit(9)
        return exchange(one, other)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "_exchange", killed)
        child = os.fork()
        if not child:
            main(["--root", str(tree)])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert read_files(tree / GENERATED) == old
    assert (tree / ".generated.new").exists()
    assert main(["--root", str(tree)]) == 0
    assert not (tree / ".generated.new").exists()
    assert main(["--check", "--root", str(tree)]) == 0


def test_python_s_caches_are_ignored(tree: Path) -> None:
    before = building.current(tree)
    assert JOB in before
    cache = (tree / JOB).parent / "__pycache__"
    cache.mkdir()
    (cache / "job.pyc").touch()
    assert building.current(tree) == before


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / GENERATED / "impact_agency_api" / "py.typed").read_bytes() == b""


def test_the_output_does_not_depend_on_the_machine(tree: Path, tmp_path: Path) -> None:
    """Run it with another folder, home, language and umask, another ruff on PATH, and other settings for ruff."""
    hostile = tmp_path / "hostile"
    (hostile / ".git").mkdir(parents=True)  # makes .gitignore effective
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
    done = subprocess.run(  # noqa: S603 - our own arguments
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


def test_the_output_does_not_depend_on_the_order_of_files_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    in_order = render(building.describe(ROOT / "openapi").document)
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: sorted(glob(path, pattern), reverse=True))
    assert render(building.describe(ROOT / "openapi").document) == in_order


def test_contradicting_fragments_are_reported_with_both_files_and_lines(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fragment = tree / "openapi" / "jobs" / "replay-job.json"
    fragment.write_bytes(fragment.read_bytes().replace(b'"uuid"', b'"number"', 1))
    error = fails(capsys, "--root", tree)
    first, _, rest = error.partition("\n")
    assert re.fullmatch(
        r"generate: openapi/jobs/replay-job\.json:\d+: parameters/JobId differs"
        r" from that in openapi/jobs/download-job-result\.json:\d+",
        first,
    )
    assert '+    "format": "number"' in rest
    assert files(tree)[JOB] == (ROOT / JOB).read_bytes()


def test_an_overlay_action_without_a_match_is_reported_with_its_line_index_and_target(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = read_source(tree / "openapi" / "overlay.json").parse()
    assert isinstance(overlay["actions"], list)
    index = len(overlay["actions"])
    overlay["actions"].append({"target": "$.webhooks", "remove": True})
    (tree / "openapi" / "overlay.json").write_bytes(render(overlay))
    error = fails(capsys, "--root", tree)
    start = rf"generate: openapi/overlay\.json:\d+: actions\[{index}\] \(target \$\.webhooks\) matches nothing: "
    assert re.match(start, error)


def test_a_part_that_the_generator_would_skip_is_an_error_with_its_line_and_a_way_out(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fragment = tree / "openapi" / "jobs" / "list-jobs.json"
    text = fragment.read_text(encoding="utf-8")
    fragment.write_text(text.replace('"404": {' if '"404"' in text else '"401": {', '"4?1": {', 1), encoding="utf-8")
    line = next(i for i, line in enumerate(text.splitlines(), 1) if '"get": {' in line)
    error = fails(capsys, "--root", tree)
    assert error.startswith(f"generate: openapi/jobs/list-jobs.json:{line}: ")
    assert 'operationId/listJobs: "omit: ' in error
    assert files(tree)[JOB] == (ROOT / JOB).read_bytes()


@pytest.mark.parametrize("tool", ["ruff", "openapi-python-client"])
def test_a_tool_of_another_version_than_the_pinned_one_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], tool: str
) -> None:
    pyproject = tree / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    assert text.count(f'"{tool}==') == 1
    pyproject.write_text(text.replace(f'"{tool}==', f'"{tool}==9'), encoding="utf-8")
    error = fails(capsys, "--check", "--root", tree)
    assert error.startswith(f"generate: {tool} ")
    assert error.endswith("is pinned: run `make setup`\n")
    pyproject.write_text(text.replace(f'"{tool}==', f'"{tool}>='), encoding="utf-8")
    assert f"pins no {tool} in its dev group" in fails(capsys, "--check", "--root", tree)


def test_a_missing_ruff_is_reported(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "TOOLS", tree)
    assert fails(capsys, "--root", tree).endswith("run `make setup`\n")


def test_a_folder_without_pyproject_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "pyproject.toml has no readable dev group" in fails(capsys, "--root", tmp_path)


def test_differences_are_reported_in_order_of_path() -> None:
    assert list(differences({"a": b"1", "c": b"1", "d": b"1"}, {"a": b"2", "b": b"1", "d": b"1"})) == [
        "a: differs",
        "b: nothing generates it",
        "c: missing",
    ]
