"""Run the command: in this process, which is fast, or in its own, with or without a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from attrs import define
from click.testing import CliRunner, Result
from impact_jobs.cli.app import cli

COMMAND = [sys.executable, "-m", "impact_jobs.cli"]
# A session leader whose stdin is its controlling terminal, so that ^C there reaches it.
_AT_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_TERMINAL = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
SECONDS = 20.0


def run(*arguments: str, given: str | bytes = "", charset: str = "utf-8") -> Result:
    """Run the command in this process, with its clock and environment."""
    runner = CliRunner(charset=charset)
    return runner.invoke(cli, arguments, input=given, prog_name="impact-jobs", catch_exceptions=False)


def run_line(line: str) -> tuple[int, str, str]:
    """Run a pipeline: this command in this process, one stage after another, and other programs as processes.

    Returns:
        The exit code of the first stage that fails, the stdout of the last one, and the stderr of all.
    """
    code, out, err = 0, "", ""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    words = list(lexer)
    while words:
        end = words.index("|") if "|" in words else len(words)
        stage, words = words[:end], words[end + 1 :]
        if stage[0] == "impact-jobs":
            done = run(*stage[1:], given=out)
            code, out, err = code or done.exit_code, done.stdout, err + done.stderr
        else:
            other = subprocess.run(stage, input=out, capture_output=True, text=True, check=False)  # noqa: S603 - of the tests
            code, out, err = code or other.returncode, other.stdout, err + other.stderr
    return code, out, err


def run_at_terminal(*arguments: str, columns: int = 80, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command in this process with a terminal as output; return the exit code and what it wrote."""
    master, slave = pty.openpty()
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        reading = pool.submit(Terminal(None, master).read_all)
        for name, value in (_TERMINAL | {"COLUMNS": str(columns)} | dict(environ or {})).items():
            patch.setenv(name, value)
        with os.fdopen(slave, "w", encoding="utf-8") as terminal, redirect_stdout(terminal), redirect_stderr(terminal):
            code = cli.main(arguments, prog_name="impact-jobs", standalone_mode=False)
        text = reading.result()
    os.close(master)
    return code, text


@contextmanager
def start(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command in its own process, with pipes; kill it if it is still running at the end of the block."""
    pipe = subprocess.PIPE
    command = [*COMMAND, *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603 - our own program
        try:
            yield process
        finally:
            process.kill()


def shell(line: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `impact-jobs` is the command, with `pipefail`."""
    return subprocess.run(  # noqa: S603 - lines of the tests
        ["bash", "-c", f'set -o pipefail; impact-jobs() {{ "{sys.executable}" -m impact_jobs.cli "$@"; }}; {line}'],  # noqa: S607 - the bash on the path
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@define
class Terminal:
    """A process at a terminal, and what was written there."""

    process: subprocess.Popen[bytes] | None
    _master: int
    _seen: bytes = b""

    def read_until(self, pattern: str) -> str:
        """Wait until the output matches, and return all of it so far."""
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, f"{pattern!r} was not written: {self.text[-2000:]!r}"
            assert self._read(), f"the process ended before {pattern!r} was written: {self.text[-2000:]!r}"
        return self.text

    def read_to_the_end(self) -> tuple[int, str]:
        """Wait until the process has ended; return its exit code and all output."""
        text = self.read_all()
        assert self.process is not None
        try:
            return self.process.wait(SECONDS), text
        except subprocess.TimeoutExpired:
            pytest.fail(f"the process does not end: {text[-2000:]!r}")

    def read_all(self) -> str:
        """Return all output until every writer has closed the terminal."""
        while self._read():
            pass
        return self.text

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    @property
    def text(self) -> str:
        return self._seen.decode(errors="replace")

    def _read(self) -> bytes:
        if not select.select([self._master], [], [], SECONDS)[0]:
            return b""
        try:
            found = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return b""
        self._seen += found
        return found


@contextmanager
def at_terminal(
    *arguments: str, columns: int = 80, environ: Mapping[str, str] | None = None, stdout: int | None = None
) -> Iterator[Terminal]:
    """Start the command at a terminal of that many columns; `stdout` may be another file."""
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = dict(os.environ) | _TERMINAL | dict(environ or {})
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "LC_ALL"):
        if name not in (environ or {}):
            variables.pop(name, None)
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _AT_TERMINAL, *COMMAND, *arguments],
        env=variables,
        stdin=slave,
        stdout=slave if stdout is None else stdout,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
