"""The structure of the facade: import rules that hold, and that catch what breaks them; lazy loading; public names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import get_origin

import impact_jobs
import pytest

ROOT = Path(__file__).parents[2]
FACADE = ROOT / "facade"
TOP_LEVEL = {
    "__init__.py", "_account.py", "_api", "_dates.py", "_download", "_operations", "_policy", "_redaction.py",
    "_transport", "_validators.py", "async_client.py", "cli", "client.py", "errors.py", "models.py", "py.typed",
    "pytest_plugin", "sandbox",
}  # fmt: skip
# One violation of each rule, inside a function, so that lazy imports are shown to count: the contract, then the import.
VIOLATIONS = {
    "_policy/retry.py": ("down the layers", "impact_jobs._operations.wait"),
    "_transport/clock.py": ("down the layers", "impact_jobs._api.context"),
    "models.py": ("down the layers", "impact_jobs.errors"),
    "_operations/wait.py": ("httpx is imported", "httpx"),
    "_api/endpoints.py": ("httpx is imported", "httpx"),
    "_operations/replay.py": ("generated client is imported", "impact_agency_api.api.jobs.replay_job"),
    "cli/times.py": ("public names only", "impact_jobs._redaction"),
    "sandbox/jobs.py": ("public names only", "impact_jobs._dates"),
    "pytest_plugin/scenarios.py": ("public names only", "impact_jobs._transport.clock"),
    "cli/output.py": ("by way of others", "impact_jobs.cli.emit"),
}


def lint_imports(facade: Path) -> str:
    """What the linter prints about a copy of the facade; in a process of its own, because it imports by name."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (facade, ROOT / "generated"))), "COLUMNS": "300"}
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
    ]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False, cwd=facade).stdout  # noqa: S603 - our own linter


def test_each_import_rule_catches_a_planted_violation(tmp_path: Path) -> None:
    shutil.copytree(FACADE, tmp_path / "facade", ignore=shutil.ignore_patterns("__pycache__"))
    for name, (_, imported) in VIOLATIONS.items():
        module = tmp_path / "facade/impact_jobs" / name
        module.write_text(f"{module.read_text()}\n\ndef _planted() -> None:\n    import {imported}\n")
    report = lint_imports(tmp_path / "facade").partition("Broken contracts")[2]
    by_contract = dict(zip(*[iter(re.split(r"^(.+)\n-{4,}$", report, flags=re.MULTILINE)[1:])] * 2, strict=True))
    missed = []
    for name, (contract, imported) in VIOLATIONS.items():
        (found,) = [text for title, text in by_contract.items() if contract in title]
        importer = name.removesuffix(".py").replace("/", ".")
        package = imported.split(".")[0] if imported.startswith(("httpx", "impact_agency_api")) else imported
        if not re.search(rf"\.{re.escape(importer.split('.')[-1])} -> .*{re.escape(package.split('.')[-1])}", found):
            missed.append(name)
    assert not missed, report


def test_only_the_named_modules_are_at_the_top_level() -> None:
    found = {path.name for path in (FACADE / "impact_jobs").iterdir() if path.name != "__pycache__"}
    assert found == TOP_LEVEL


def test_importing_the_package_loads_nothing_else() -> None:
    code = (
        "import sys; import impact_jobs; "
        "print([name for name in ('httpx', 'attrs', 'dateutil', 'impact_agency_api') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    undocumented = []
    for name in impact_jobs.__all__:
        value = getattr(impact_jobs, name)
        # The enums are generated from the specification, and a type alias has no docstring of its own.
        is_exempt = get_origin(value) is not None or (isinstance(value, type) and issubclass(value, Enum))
        if not is_exempt and not value.__doc__:
            undocumented.append(name)
    assert not undocumented
    assert dir(impact_jobs) == sorted(impact_jobs.__all__)
    assert not [name for name in impact_jobs.__all__ if isinstance(getattr(impact_jobs, name), ModuleType)]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = impact_jobs.NoSuchThing  # type: ignore[attr-defined]
