"""Run nginx on loopback, over HTTP and HTTPS, at full speed and throttled."""

from __future__ import annotations

import grp
import os
import pwd
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme
from attrs import frozen

from tests.benchmarks import machine

_MIB = 1024 * 1024
SIZES = {"1g": 1024 * _MIB, "256m": 256 * _MIB, "64m": 64 * _MIB}

_CONFIG = """
{user}daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; root {files};
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    location /slow/ {{ alias {files}/; limit_rate 20m; }}
  }}
}}
"""


@frozen
class Nginx:
    """A running nginx.

    Attributes:
        http: Its origin without TLS.
        https: Its origin with TLS.
        ca: The certificate of the authority that signed its own.
    """

    http: str
    https: str
    ca: Path


@contextmanager
def nginx(files: Path, folder: Path) -> Iterator[Nginx]:
    """Serve `files`; keep the configuration and temporary files in `folder`.

    Raises:
        RuntimeError: nginx is not installed, or does not start.
    """
    program = machine.find("nginx")
    if program is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    authority = trustme.CA()
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    http, https = _free_port(), _free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(user=_user(), folder=folder, files=files, http=http, https=https))
    with subprocess.Popen([program, "-c", config, "-e", folder / "error.log"], stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            _await(http, process)
            yield Nginx(f"http://127.0.0.1:{http}", f"https://localhost:{https}", ca)
        finally:
            process.terminate()


def make_files(folder: Path) -> None:
    """Create the files to serve, unless they exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in SIZES.items():
        path = folder / name
        if not path.exists() or path.stat().st_size != size:
            source = random.Random(name)  # noqa: S311 - bytes, not secrets
            with path.open("wb") as file:
                for _ in range(size // _MIB):
                    file.write(source.randbytes(_MIB))


def _user() -> str:
    # If root starts it, nginx would switch to a user who may not read the checkout.
    return "" if os.geteuid() else f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name}; "


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise RuntimeError("nginx did not start")
