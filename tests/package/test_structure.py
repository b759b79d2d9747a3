"""The structure of the package: the import contracts catch every violation, and public names load lazily."""

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
import impact_jobs.async_client
import impact_jobs.errors
import impact_jobs.models
import impact_jobs.profiles
import impact_jobs.toolkit
import pytest

from tests.conftest import SLOW_MODULES
from tests.package.conftest import ROOT

FACADE = ROOT / "facade"
TOP_LEVEL = {
    "__init__.py", "_account.py", "_account_kinds.py", "_api", "_dates.py", "_download", "_operations", "_policy",
    "_private_file.py", "_redaction.py", "_tables", "_transport", "_validators.py", "airflow", "async_client.py", "cli",
    "client.py", "dlt", "errors.py", "models.py", "profiles.py", "py.typed", "pytest_plugin", "report_models.py",
    "sandbox", "sync", "toolkit.py",
}  # fmt: skip
# New modules that violate the contracts: the file, the import in it, a part of the contract's name, and of its report.
VIOLATIONS = [
    ("_policy/bad.py", "impact_jobs._operations.wait", "down the layers", "impact_jobs._policy.bad ->"),
    ("_transport/bad.py", "impact_jobs._api.context", "down the layers", "impact_jobs._transport.bad ->"),
    ("_operations/bad.py", "httpx", "httpx is imported", "impact_jobs._operations.bad -> httpx"),
    ("_tables/bad.py", "impact_jobs._operations.wait", "down the layers", "impact_jobs._tables.bad ->"),
    ("cli/three.py", "impact_jobs._tables.parquet", "public names only", "impact_jobs.cli.three ->"),
    ("_api/bad.py", "httpx", "httpx is imported", "impact_jobs._api.bad -> httpx"),
    ("_download/bad.py", "impact_agency_api.api", "generated client", "impact_jobs._download.bad -> impact_agency_api"),
    ("cli/bad.py", "impact_jobs._redaction", "public names only", "impact_jobs.cli.bad ->"),
    ("airflow/bad.py", "impact_jobs._account", "public names only", "impact_jobs.airflow.bad ->"),
    ("_operations/worse.py", "airflow.sdk", "Airflow and fsspec", "impact_jobs._operations.worse -> airflow"),
    ("sandbox/bad.py", "impact_jobs._dates", "public names only", "impact_jobs.sandbox.bad ->"),
    ("pytest_plugin/bad.py", "impact_jobs._transport.clock", "public names only", "impact_jobs.pytest_plugin.bad ->"),
    ("airflow/four.py", "impact_jobs.cli.app", "down the layers", "impact_jobs.airflow.four ->"),
    ("cli/six.py", "fsspec", "in impact_jobs.airflow alone", "impact_jobs.cli.six -> fsspec"),
    ("cli/seven.py", "impact_jobs._private_file", "public names only", "impact_jobs.cli.seven ->"),
    ("sync/bad.py", "dlt", "in impact_jobs.dlt alone", "impact_jobs.sync.bad -> dlt"),
    ("dlt/bad.py", "impact_jobs._validators", "public names only", "impact_jobs.dlt.bad ->"),
    ("dlt/four.py", "impact_jobs.cli.app", "down the layers", "impact_jobs.dlt.four ->"),
    ("cli/one.py", "impact_jobs.cli.two", "by way of others", ".one"),
    ("cli/two.py", "impact_jobs.cli.one", "by way of others", ".two"),
]


def lint_imports(facade: Path) -> dict[str, str]:
    """Lint the imports of a copy of the facade, and return the report on each broken contract by its name."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (facade, ROOT / "generated"))), "COLUMNS": "300"}
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", str(ROOT / "pyproject.toml")]
    # A process of its own, because the linter imports the package by name.
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, cwd=facade)  # noqa: S603
    broken = done.stdout.partition("Broken contracts")[2]
    _, *parts = re.split(r"^(.+)\n-{4,}$", broken, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_import_contract_catches_a_planted_violation(tmp_path: Path) -> None:
    shutil.copytree(FACADE, tmp_path / "facade", ignore=shutil.ignore_patterns("__pycache__"))
    for file, imported, _, _ in VIOLATIONS:
        # The import is inside a function, because lazy imports count as well.
        (tmp_path / "facade/impact_jobs" / file).write_text(f"def lazily() -> None:\n    import {imported}\n")
    reports = lint_imports(tmp_path / "facade")
    for file, imported, contract, expected in VIOLATIONS:
        report = "\n".join(text for name, text in reports.items() if contract in name)
        assert expected in report, f"{contract!r} allows {file} to import {imported}: {report}"


def test_only_the_named_modules_are_at_the_top_level() -> None:
    found = {path.name for path in (FACADE / "impact_jobs").iterdir() if path.name != "__pycache__"}
    assert found == TOP_LEVEL


def test_importing_the_package_loads_none_of_its_dependencies() -> None:
    code = (
        "import sys; import impact_jobs; "
        "dependencies = ('httpx', 'attrs', 'dateutil', 'impact_agency_api', 'pyarrow'); "
        "print([name for name in dependencies if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists_and_has_a_docstring() -> None:
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


def test_the_names_for_our_own_tools_are_listed() -> None:
    page = (ROOT / "docs" / "stability.md").read_text()
    listed = {
        name: set(re.findall(r"`(\w+)`", row)) for name, row in re.findall(r"\| `impact_jobs.(\w+)` \|(.*)", page)
    }
    for module in (impact_jobs.toolkit, impact_jobs.profiles, impact_jobs.async_client, impact_jobs.models):
        expected = set(module.__all__) - set(impact_jobs.__all__)
        assert listed.pop(module.__name__.removeprefix("impact_jobs.")) == expected
    assert set(listed) == {"errors"}  # which has no `__all__`
    assert all(hasattr(impact_jobs.errors, name) for name in listed["errors"])


def test_every_module_listed_as_slow_exists() -> None:
    assert [name for name in SLOW_MODULES if not (ROOT / "tests" / name).exists()] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = impact_jobs.NoSuchThing  # type: ignore[attr-defined]
