"""Strangers' servers as processes of their own, on loopback, that end when the tests do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

HOST: Final = "127.0.0.1"
_INTEROP: Final = Path(__file__).resolve().parents[1]
_TOOLS: Final = {"npm": _INTEROP / "node_modules" / ".bin", "pypi": _INTEROP.parents[1] / ".venv-interop" / "bin"}
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


def tool(origin: str, name: str) -> str:
    """Find what `make test-interop` has installed; a missing one fails the test, for a skipped check checks nothing."""
    found = _TOOLS[origin] / name
    if not found.exists():
        pytest.fail(f"{name} from {origin} is not installed: run `make test-interop`", pytrace=False)
    return str(found)


def free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def serving(
    command: Sequence[str], port: int, *, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server, once it listens, and end it together with whatever it has started.

    Args:
        command: The program and its arguments.
        port: Where it is going to listen.
        folder: Its working directory, where what it says is put as well.
        environ: Variables beyond the tests' own.
    """
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - every argument is ours
            command,
            cwd=folder,
            env=os.environ | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            if not _listens(process, port):
                said = log.read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"{Path(command[0]).name} does not listen; it said:\n{said}", pytrace=False)
            yield
        finally:
            _stop(process)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection((HOST, port), timeout=1).close()
            return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)  # the pause between two tries; it ends at once when the server does
            return False
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and whatever it has started: they are a process group of their own."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_SECONDS)
            return
