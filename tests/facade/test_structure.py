"""The structure that the design promises: layers, laziness, public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from enum import Enum
from pathlib import Path

import impact_jobs
import pytest

FACADE = Path(impact_jobs.__file__).parent
# From the top down: each imports only what stands below it.
LAYERS = [
    {"async_client"},
    {"client"},
    {"collecting"},
    {"downloading", "gathering", "replaying", "streaming"},
    {"reconciling", "transfer", "waiting"},
    {"fetching", "generated_client"},
    {"listing"},
    {"core", "tracking"},
    {"httpx_async"},
    {"httpx_blocking"},
    {"httpx_wire"},
    {"answers", "budget", "claims", "locations", "part_file"},
    {"sharing"},
    {"config", "course", "deadline", "decoding", "journal", "socket_door"},
    {"limits", "parsing", "plan", "polling", "retry"},
    {"lengths", "port"},
    {"checksums", "dates", "models", "targets", "validation"},
    {"errors"},
    {"_version", "clock", "crew", "redaction", "stepping", "threads"},
]
THE_PORT = {"httpx_async", "httpx_blocking", "httpx_wire", "course", "deadline", "socket_door", "generated_client"}


def imports_of(module: str) -> set[str]:
    """Our own modules that a module imports at run time."""
    tree = ast.parse((FACADE / f"{module}.py").read_text())
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "impact_jobs":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("impact_jobs."):
            names.add((node.module or "").removeprefix("impact_jobs."))
    return names


def modules() -> list[str]:
    return sorted(path.stem for path in FACADE.glob("*.py") if path.stem != "__init__")


def test_every_module_has_its_layer() -> None:
    assert sorted(module for layer in LAYERS for module in layer) == modules()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    height = next(index for index, layer in enumerate(LAYERS) if module in layer)
    below = {name for layer in LAYERS[height + 1 :] for name in layer}
    assert imports_of(module) <= below


def test_only_the_port_imports_httpx() -> None:
    importers = {module for module in modules() if "import httpx\n" in (FACADE / f"{module}.py").read_text()}
    assert importers == THE_PORT


def test_importing_the_package_loads_nothing_else() -> None:
    code = (
        "import sys; import impact_jobs; "
        "print([name for name in ('httpx', 'attrs', 'dateutil', 'impact_agency_api') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    for name in impact_jobs.__all__:
        value = getattr(impact_jobs, name)
        assert value.__doc__ or issubclass(value, Enum), name  # the enums are generated from the specification
    assert dir(impact_jobs) == sorted(impact_jobs.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = impact_jobs.NoSuchThing  # type: ignore[attr-defined]
