"""Other projects' tools, and their servers, which run as processes on loopback until the tests end."""

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
_INTEROP: Final = Path(__file__).resolve().parent
_TOOLS: Final = {"npm": _INTEROP / "node_modules" / ".bin", "pypi": _INTEROP.parents[1] / ".venv-interop" / "bin"}
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


def tool(origin: str, name: str) -> str:
    """Find a tool that `make test-interop` has installed; if it is missing, fail the test rather than skip it."""
    found = _TOOLS[origin] / name
    if not found.exists():
        pytest.fail(f"{name} from {origin} is not installed: run `make test-interop`", pytrace=False)
    return str(found)


def run_module(name: str, *arguments: str, environ: Mapping[str, str]) -> str:
    """Run a module of the tests beside other projects' libraries; return its stdout, or fail if it fails."""
    done = subprocess.run(  # noqa: S603 - our own program
        [tool("pypi", "python"), "-W", "error", "-m", name, *arguments],
        cwd=_INTEROP.parents[1],
        env=os.environ | dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def serving(
    command: Sequence[str], port: int, *, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Start a server, wait until it listens, and finally stop it and all processes that it has started.

    Args:
        command: The program and its arguments.
        port: The port that it will listen on.
        folder: Its working directory, which also gets its log.
        environ: Environment variables in addition to the tests' own.
    """
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own arguments
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
                output_text = log.read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"{Path(command[0]).name} does not listen; its output:\n{output_text}", pytrace=False)
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
            process.wait(timeout=0.05)  # also the pause between two attempts; returns at once if the server exits
            return False
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and all processes that it has started, which form a process group."""
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_SECONDS)
            return
