"""What is published works by itself: the wheel in a clean environment, and the README's first example with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / ".cache" / "wheels"


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)  # type: ignore[call-overload] # noqa: PLW1510, S603
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give our wheel, freshly built."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the interpreter of an environment that holds the wheel and its core dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    assert WHEELS.is_dir(), "run `make setup`: it keeps the dependencies' wheels"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--find-links", WHEELS, wheel)
    return python


def test_the_wheel_holds_both_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"impact_jobs", "impact_agency_api"}
    assert {"impact_jobs/py.typed", "impact_agency_api/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_core_depends_on_three_packages(clean_python: Path) -> None:
    code = (
        "import re; from importlib.metadata import requires; "
        "print(sorted(re.match('[a-z-]+', r)[0] for r in requires('impact-jobs') if 'extra' not in r))"
    )
    assert run(clean_python, "-c", code).strip() == "['attrs', 'httpx', 'python-dateutil']"


def test_every_public_name_imports_from_the_wheel(clean_python: Path, tmp_path: Path) -> None:
    code = (
        "import impact_jobs; [getattr(impact_jobs, name) for name in impact_jobs.__all__]; print(impact_jobs.__file__)"
    )
    assert str(clean_python.parents[1]) in run(clean_python, "-I", "-c", code, cwd=tmp_path)


def test_the_readme_s_first_example_runs_from_the_wheel(clean_python: Path, tmp_path: Path) -> None:
    first = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert first is not None
    with Sandbox(job_seconds=0, result_bytes=100_000) as sandbox:
        job_id = sandbox.add_job()
        out = run(clean_python, "-I", "-c", first[1], cwd=tmp_path, env=os.environ | sandbox.environ)
        assert sandbox.result(job_id).sha256 in out
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [100_000]


def test_the_sandbox_without_its_extra_says_how_to_get_it(clean_python: Path, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own wheel
        [clean_python, "-I", "-m", "impact_jobs.sandbox"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode != 0
    assert 'pip install "impact-jobs[sandbox]"' in done.stderr
    assert "Traceback" not in done.stderr
