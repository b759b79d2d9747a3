"""A PostgreSQL of the tests' own, for Airflow's metadata: no service, and no data that stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg2

from tests.airflow.cluster.processes import ClusterError, ClusterProcess, wait_until
from tests.interop.processes import HOST, free_port

_DEBIAN: Final = Path("/usr/lib/postgresql")
_USER: Final = "airflow"
_UNPRIVILEGED: Final = "nobody"
# Nothing has to survive a power cut.
_SETTINGS: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@contextmanager
def postgres(log_folder: Path) -> Iterator[str]:
    """Start a server with an empty database; give the address that psycopg2 takes.

    The folder of its data belongs to another user, because PostgreSQL refuses to be run by root.
    """
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="airflow-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        _create(folder / "data", user=user)
        port = free_port()
        options = [option for setting in _SETTINGS for option in ("-c", setting)]
        command = [_program("postgres"), "-D", str(folder / "data"), "-k", name, "-h", HOST, "-p", str(port), *options]
        server = ClusterProcess(
            name="postgres", command=command, folder=log_folder, environ={"PATH": os.defpath, "LC_ALL": "C"}, user=user
        )
        server.start()
        try:
            address = f"postgresql://{_USER}@{HOST}:{port}/postgres"
            wait_until(lambda: _accepts(address), "PostgreSQL accepts connections", timeout=60, processes=[server])
            yield address
        finally:
            server.stop(signal.SIGINT)  # its fast shutdown, which does not wait for clients


def _create(data: Path, *, user: str | None) -> None:
    command = [_program("initdb"), "-D", str(data), "-U", _USER, "--auth=trust", "--encoding=UTF8", "--no-sync"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--locale=C"],
        cwd=data.parent,
        env={"PATH": os.defpath},
        user=user,
        extra_groups=[] if user else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _accepts(address: str) -> bool:
    try:
        psycopg2.connect(address).close()
    except psycopg2.OperationalError:
        return False
    return True


def _program(name: str) -> str:
    """Find a program of PostgreSQL, which Debian keeps out of PATH."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise ClusterError(f"{name} is not installed; try: apt-get install postgresql")
    return found
