"""What Airflow reads of the provider before it imports anything of it; `make test-airflow` uses Airflow's own check."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import impact_jobs
import impact_jobs.airflow as provider
import pytest
from impact_jobs.airflow._settings import CONN_TYPE
from impact_jobs.airflow.provider_info import get_provider_info

PACKAGE = Path(impact_jobs.__file__).parent
INFO = get_provider_info()
# The keys of provider_info.schema.json in Airflow 3.2 and 3.3 that we use, and what their values are made of.
TYPES = {
    "package-name": str,
    "name": str,
    "description": str,
    "integrations": dict,
    "operators": dict,
    "sensors": dict,
    "hooks": dict,
    "triggers": dict,
    "extra-links": str,
    "task-decorators": dict,
    "connection-types": dict,
}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _file(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")[1:])


def _exists(path: str) -> bool:
    """Return whether a dotted path names a module, or a class or function in one."""
    if _file(path).with_suffix(".py").is_file() or (_file(path) / "__init__.py").is_file():
        return True
    module, _, name = path.rpartition(".")
    if not _file(module).with_suffix(".py").is_file():
        return False
    nodes = ast.parse(_file(module).with_suffix(".py").read_text()).body
    return name in {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)}


@pytest.mark.parametrize("key", INFO)
def test_every_key_is_one_that_airflow_reads(key: str) -> None:
    value = INFO[key]

    assert all(isinstance(each, TYPES[key]) for each in (value if isinstance(value, list) else [value]))


@pytest.mark.parametrize("path", sorted({each for each in _strings(INFO) if each.startswith("impact_jobs.")}))
def test_every_module_and_class_exists(path: str) -> None:
    assert _exists(path)


def test_the_integration_of_every_module_is_declared() -> None:
    declared = {each["integration-name"] for each in INFO["integrations"]}

    for kind in ("operators", "sensors", "hooks", "triggers"):
        assert {each["integration-name"] for each in INFO[kind]} <= declared


def test_the_package_is_the_distribution_and_the_entry_point_is_this_function() -> None:
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    (entry,) = [
        each
        for each in entry_points(group="apache_airflow_provider")
        if each.dist and each.dist.name == INFO["package-name"]
    ]

    assert INFO["package-name"] == project["name"]
    assert entry.load() is get_provider_info


def test_the_connection_form_labels_the_credentials_and_hides_what_is_not_used() -> None:
    (connection,) = INFO["connection-types"]

    assert connection["connection-type"] == CONN_TYPE
    assert connection["ui-field-behaviour"]["relabeling"] == {
        "host": "API URL",
        "login": "Account SID",
        "password": "Auth Token",
    }
    assert connection["ui-field-behaviour"]["hidden-fields"] == ["port", "schema"]
    assert connection["conn-fields"].keys() == {"account_kind", "advertiser_id", "report_url"}


def test_the_package_is_imported_without_airflow_and_its_names_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [each for each in sys.modules if each.startswith("impact_jobs.airflow.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "airflow", None)  # even if it is installed here

    for name in ("ImpactHook", "ImpactJobTrigger", "ImpactQuotaTrigger", "ImpactJobSensor"):
        monkeypatch.delitem(vars(provider), name, raising=False)
        with pytest.raises(ImportError, match=rf"{name} needs Apache Airflow .*: pip install 'impact-jobs\[airflow\]'"):
            getattr(provider, name)


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="ImpactHok"):
        _ = provider.ImpactHok  # type: ignore[attr-defined]
