from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.processes import HOST, free_port, serving, tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def document() -> Path:
    return ROOT / "openapi" / "agency-api.json"


@pytest.fixture(scope="session")
def npm_tool() -> Callable[[str], Path]:
    """Give a function that finds a tool which package.json pins."""
    return lambda name: Path(tool("npm", name))


@pytest.fixture(scope="session")
def prism(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Let Prism serve our OpenAPI document and reject requests that violate it; give its base URL."""
    port = free_port()
    command = [tool("npm", "prism"), "mock", "--errors", f"--host={HOST}", f"--port={port}", str(document)]
    with serving(command, port, folder=tmp_path_factory.mktemp("prism")):
        yield f"http://{HOST}:{port}"
