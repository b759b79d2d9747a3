"""The wheel works in a clean environment, and so does the README's first example."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

from impact_jobs.sandbox import Sandbox

from tests.package.conftest import ROOT, run


def test_the_wheel_holds_exactly_two_typed_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"impact_jobs", "impact_agency_api"}
    assert {"impact_jobs/py.typed", "impact_agency_api/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_without_extras_there_are_three_dependencies(clean_python: Path) -> None:
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


def test_the_first_example_of_the_readme_runs_from_the_wheel(clean_python: Path, tmp_path: Path) -> None:
    first = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert first is not None
    with Sandbox(job_seconds=0) as sandbox:
        out = run(clean_python, "-I", "-c", first[1], cwd=tmp_path, env=os.environ | sandbox.environ)
    (file,) = tmp_path.iterdir()
    name, rows, digest = out.split()
    assert (name, digest) == (file.name, sha256(file.read_bytes()).hexdigest())
    assert int(rows) > 1000


def test_the_sandbox_without_its_extra_says_how_to_get_it(clean_python: Path, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own wheel
        [clean_python, "-I", "-m", "impact_jobs.sandbox"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode != 0
    assert 'pip install ".[sandbox]" in the clone' in done.stderr
    assert "Traceback" not in done.stderr
