"""What the generator makes of all forms, of a large made-up API, and of real ones from npm: types that mypy accepts."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from generate import ROOT
from spec.generating.generator import generate_package
from spec.merging.merge import MergeError
from spec.whole_api import WholeApi, generate_all

from tests.interop.forms import document
from tests.spec.made_up_api import write_pages

pytestmark = pytest.mark.interop

IMPORT_ALL = """
import importlib, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
"""
USE = """
import importlib
from forms import models

def call(name):
    return importlib.import_module(f"forms.api.t.{name}")

found = models.Events.from_dict({"events": [{"kind": "SALE", "sum": 1}, {"kind": "CLICK", "url": "u"}]}).events
assert [type(one).__name__ for one in found] == ["Sale", "Click"], found
assert models.D.from_dict({"a": "x"}).to_dict() == {"a": "x"}
names = {"UNSET": "1", "Unset": "2", "T": "3", "t": "4", "Any": "5", "any": "6"}
assert models.CaseNames.from_dict(names).to_dict() == names
assert models.ChangeBody().to_dict() == {}
form = models.FieldsFormBody(text="a", things="[{}]", flag=True, maybe=3)
assert call("fields_form")._get_kwargs(body=form)["data"] == {"text": "a", "things": "[{}]", "flag": True, "maybe": 3}
sent = call("fields_multipart")._get_kwargs(body=models.FieldsMultipartBody(flag="true", text="a"))["files"]
assert [(name, part[1]) for name, part in sent] == [("text", b"a"), ("flag", b"true")], sent
assert call("things")._get_kwargs(a="[]")["params"] == {"a": "[]"}
"""
# Files of real APIs below node_modules, which package.json pins.
REAL = ["@blockfrost/openapi/openapi.yaml", "@directus/specs/dist/openapi.json"]


def assert_sound(package: Path) -> None:
    """Check all types of a package strictly, and import all its modules."""
    for command in (
        ["-m", "mypy", "--strict", "--no-incremental", package.name],
        ["-W", "error", "-c", IMPORT_ALL, package.name],
    ):
        run_python(package.parent, *command)


def run_python(folder: Path, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def generate_with_proposals(folder: Path, pages: list[Path]) -> tuple[Path, WholeApi]:
    """Generate an API of another account kind, with the resolutions that the report proposes, and print the figures."""
    package, rules = folder / "whole_api", folder / "merge.yml"
    resolutions: dict[str, list[str]] = {}
    started = time.monotonic()
    for _ in range(5):
        rules.write_text(yaml.dump({"resolutions": resolutions}), encoding="utf-8")
        try:
            done = generate_all(ROOT, package, pages=pages, spec=folder / "none", rules=rules)
            break
        except MergeError as error:
            if not error.proposals:
                raise
            resolutions |= {key: list(ways) for key, ways in error.proposals.items()}
    else:
        pytest.fail("the proposals of the report do not settle all contradictions")
    seconds = time.monotonic() - started
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024
    print(done.operations, "operations,", done.files, "files,", f"{seconds:.1f} s, {memory} MB;", resolutions)  # noqa: T201 - shown by -rP
    return package, done


def test_every_form_is_generated(tmp_path: Path) -> None:
    files = generate_package(
        document(), ROOT / "openapi" / "generator.yml", locate=lambda place: (str(place), 1), name="forms"
    ).files
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    operations = [module for module in files if module.startswith("forms/api/") and not module.endswith("__init__.py")]
    paths = document()["paths"]
    assert isinstance(paths, dict)
    assert len(operations) == len(paths)
    assert_sound(tmp_path / "forms")
    run_python(tmp_path, "-c", USE)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_made_up_api_of_250_operations_is_generated_with_the_proposals_of_the_report(
    tmp_path: Path, seed: int
) -> None:
    made = write_pages(tmp_path / "pages", seed=seed)
    package, done = generate_with_proposals(tmp_path, made.pages)
    assert done.operations == made.operations == 250
    assert_sound(package)


@pytest.mark.parametrize("file", REAL)
def test_a_real_api_is_generated(tmp_path: Path, npm_tool: Callable[[str], Path], file: str) -> None:
    package, done = generate_with_proposals(tmp_path, [npm_tool("redocly").parents[1] / file])
    assert done.operations > 100
    assert_sound(package)
