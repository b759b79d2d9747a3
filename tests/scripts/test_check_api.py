from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import check_api
import pytest
from check_api import Kind

FIRST = {
    "__init__": """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from impact_jobs.client import Client
            from impact_jobs.states import State

        __all__ = ["Client", "State"]
        __version__ = "1.2.3"

        if not TYPE_CHECKING:
            def __getattr__(name): ...
    """,
    "client": """
        class Base:
            def close(self) -> None: ...

        class Client(Base):
            job_id: str | None = None

            def get(self, job: str, *, timeout: float = 1.0) -> str: ...
            def _ask(self, job: str) -> str: ...

        class Helper:
            def help(self) -> None: ...
    """,
    "states": "from impact_agency_api import State",
    "sandbox/__init__": """
        from impact_jobs.sandbox.sandbox import Sandbox

        __all__ = ["Sandbox"]
    """,
    "sandbox/sandbox": """
        class Sandbox:
            def __init__(self, *, seed: int = 0) -> None: ...
    """,
}
STATES = """
    class State:
        DONE = 1
"""


class Repository:
    """A git repository with a small package like ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")
        for name, text in FIRST.items():
            self.write(f"facade/impact_jobs/{name}.py", text)
        self.write("generated/impact_agency_api/__init__.py", STATES)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=us", "-c", "user.email=us@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", self.root, *identity, *arguments], check=True, capture_output=True)  # noqa: S603, S607

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).strip())

    def change(self, name: str, old: str, new: str) -> None:
        path = self.root / f"facade/impact_jobs/{name}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def release(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "all")
        self.git("tag", "v1.2.3")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def released(repository: Repository) -> Repository:
    repository.release()
    return repository


def test_without_a_tag_it_is_the_first_release(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_api.main(["--root", str(repository.root)]) == 0
    assert "no tag: this is the first release" in capsys.readouterr().out


def test_a_change_of_private_names_needs_only_a_patch_release(
    released: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    released.change("client", "def _ask(self, job: str)", "def _ask(self)")
    released.change("client", "def help(self)", "def aid(self)")
    assert check_api.main(["--root", str(released.root)]) == 0
    assert capsys.readouterr().out == "since v1.2.3 (1.2.3): a patch release is due; the tree says 1.2.3\n"


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (("client", ", *, timeout: float = 1.0", ""), "Parameter was removed: impact_jobs.client.Client.get"),
        (("client", "timeout: float = 1.0", "timeout: float = 2.0"), "Parameter default was changed: "),
        (("client", "job: str, *", "job: str, mode: str, *"), "Parameter was added as required: "),
        (("client", "def get", "def fetch"), "Public object was removed: impact_jobs.client.Client.get"),
        (("client", "    def close", "    def shut"), "Public object was removed: "),
        (("__init__", '"Client", ', ""), "Public object was removed: "),
        (("sandbox/sandbox", "seed", "seeds"), "Parameter was removed: impact_jobs.sandbox.sandbox.Sandbox.__init__"),
    ],
)
def test_a_breaking_change_is_named_and_needs_a_major_release_and_a_fragment(
    change: tuple[str, str, str], reported: str, released: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    released.change(*change)
    assert check_api.main(["--root", str(released.root)]) == 1
    out, err = capsys.readouterr()
    assert f"breaks: {reported}" in out
    assert "a major release is due" in out
    assert "says 1.2.3, but these changes need 2.0.0 or later" in err
    assert "no fragment in docs/changelog.d is of type changed or removed" in err

    released.change("__init__", "1.2.3", "2.0.0")
    released.write("docs/changelog.d/timeouts.removed.md", "It is gone.")
    assert check_api.main(["--root", str(released.root)]) == 0


def test_a_public_class_may_move_to_another_module(released: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    moved = released.root / "facade/impact_jobs/client.py"
    moved.rename(moved.with_name("clients.py"))
    released.change("__init__", "impact_jobs.client ", "impact_jobs.clients ")
    assert check_api.main(["--root", str(released.root)]) == 0
    assert "breaks" not in capsys.readouterr().out


def test_an_addition_is_named_once_and_needs_a_minor_release(
    released: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    released.change("client", "    def _ask", "    def replay(self, job: str) -> str: ...\n    def _ask")
    released.change("client", "timeout: float = 1.0", "timeout: float = 1.0, mode: str = ''")
    released.write("facade/impact_jobs/pytest_plugin.py", '__all__ = ["jobs"]\ndef jobs(sandbox: int) -> int: ...')
    assert check_api.main(["--root", str(released.root)]) == 1
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line.startswith("is new")] == [
        "is new: impact_jobs.Client.get(mode)",
        "is new: impact_jobs.Client.replay",
        "is new: impact_jobs.pytest_plugin.jobs",
    ]
    assert "need 1.3.0 or later" in err
    assert "fragment" not in err


def test_the_name_of_a_fixture_is_public_but_not_its_parameters(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    fixture = "import pytest\n@pytest.fixture\ndef impact_jobs({}): ..."
    repository.write("facade/impact_jobs/pytest_plugin.py", fixture.format("sandbox"))
    repository.release()
    repository.write("facade/impact_jobs/pytest_plugin.py", fixture.format("request"))
    assert check_api.main(["--root", str(repository.root)]) == 0
    repository.write("facade/impact_jobs/pytest_plugin.py", "")
    assert check_api.main(["--root", str(repository.root)]) == 1
    assert "breaks: Public object was removed: " in capsys.readouterr().out


def test_any_commit_can_be_compared_and_an_unknown_one_is_reported(
    released: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_api.main(["--root", str(released.root), "--against", "HEAD"]) == 0
    assert check_api.main(["--root", str(released.root), "--against", "v9"]) == 1
    assert "v9 is not a commit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("breaking", "added", "last", "kind", "lowest"),
    [
        ([], [], (1, 2, 3), Kind.PATCH, (1, 2, 4)),
        ([], ["a"], (1, 2, 3), Kind.MINOR, (1, 3, 0)),
        (["a"], [], (1, 2, 3), Kind.MAJOR, (2, 0, 0)),
        ([], [], (0, 2, 3), Kind.PATCH, (0, 2, 4)),
        ([], ["a"], (0, 2, 3), Kind.PATCH, (0, 2, 4)),
        (["a"], ["b"], (0, 2, 3), Kind.MINOR, (0, 3, 0)),
    ],
)
def test_the_next_version_follows_semantic_versioning(
    breaking: list[str], added: list[str], last: check_api.Version, kind: Kind, lowest: check_api.Version
) -> None:
    assert check_api.due(breaking=breaking, added=added, last=last) == kind
    assert check_api.least(last, kind) == lowest


def test_a_missing_version_is_reported() -> None:
    with pytest.raises(SystemExit, match="states no version"):
        check_api.parse_version("__version__ = version()")
