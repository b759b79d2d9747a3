import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOST = "127.0.0.1"


@pytest.fixture(scope="session")
def document() -> Path:
    return ROOT / "openapi" / "agency-api.json"


@pytest.fixture(scope="session")
def npm_tool() -> Callable[[str], Path]:
    """Find a tool that package.json pins; a missing one fails the test, for a skipped check checks nothing."""

    def find(name: str) -> Path:
        tool = HERE / "node_modules" / ".bin" / name
        if not tool.exists():
            pytest.fail(f"{name} is not installed: run `make test-interop`", pytrace=False)
        return tool

    return find


@pytest.fixture(scope="session")
def prism(npm_tool: Callable[[str], Path], document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Let Prism serve our OpenAPI document, refusing whatever violates it; gives its base URL."""
    port = _free_port()
    log = tmp_path_factory.mktemp("prism") / "prism.log"
    command: list[str | Path] = [npm_tool("prism"), "mock", "--errors", f"--host={HOST}", f"--port={port}", document]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True) as process,  # noqa: S603 - all ours
    ):
        try:
            if not _listens(process, port, deadline=time.monotonic() + 60):
                pytest.fail(f"Prism does not listen; it said:\n{log.read_text(encoding='utf-8')}", pytrace=False)
            yield f"http://{HOST}:{port}"
        finally:
            _stop(process)


def _free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as server:
        port: int = server.getsockname()[1]
    return port


def _listens(process: subprocess.Popen[bytes], port: int, deadline: float) -> bool:
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection((HOST, port), timeout=1).close()
            return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)  # the pause between two tries; it ends at once when Prism does
            return False
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End Prism and whatever it started: they are a process group of their own."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return
