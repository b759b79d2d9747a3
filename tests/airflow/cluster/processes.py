"""The processes of a cluster: each can be killed and started again, and none outlives the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, TypeVar

from attrs import define, field

_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.1
T = TypeVar("T")


class ClusterError(Exception):
    """A process of the cluster failed, or what a test waits for has not happened in time."""


@define(kw_only=True)
class ClusterProcess:
    """A command in a process group of its own, whose output goes to a file.

    Args:
        name: What it is called in messages, and its log.
        command: The program and its arguments.
        folder: Its working directory, with its log.
        environ: All of its environment.
        user: The user that runs it, or None.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environ: Mapping[str, str]
    user: str | None = None
    _running: subprocess.Popen[bytes] | None = None
    _groups: list[int] = field(factory=list)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """The process id; raises ClusterError if it has ended."""
        if self._running is None or self._running.poll() is not None:
            raise ClusterError(f"{self.name} is not running; the end of its log:\n{tail(self.log)}")
        return self._running.pid

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._running = self._popen(output)
        self._groups.append(self._running.pid)

    def _popen(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own commands
            self.command,
            cwd=self.folder,
            env=dict(self.environ),
            user=self.user,
            extra_groups=[] if self.user else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Send SIGKILL to the process and to all that it has started, as the end of its machine would."""
        os.killpg(self.pid, signal.SIGKILL)
        self._wait()

    def stop(self, signal_: signal.Signals = signal.SIGKILL) -> None:
        """End the process, and what is left of all processes that it has ever started; nothing has to be saved."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal_)
            with suppress(ClusterError):
                self._wait()
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self._running is not None:
            self._running.wait()

    def _wait(self) -> None:
        if self._running is None:
            return
        try:
            self._running.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"{self.name} did not end in {_STOP_SECONDS:.0f} s") from None


def wait_until(
    found: Callable[[], T | None], what: str, *, timeout: float, processes: Sequence[ClusterProcess] = ()
) -> T:
    """Ask until the answer is neither None nor False, and return it.

    Args:
        found: What to ask.
        what: What is waited for; the error message names it.
        timeout: Seconds.
        processes: Those that have to be running meanwhile.

    Raises:
        ClusterError: The time is over, or one of the processes has ended.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = found()
        if answer is not None and answer is not False:
            return answer
        for process in processes:
            _ = process.pid
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {process.name}\n{tail(process.log)}" for process in processes)
            raise ClusterError(f"{what}: not within {timeout:.0f} s\n{logs}")
        time.sleep(_POLL_SECONDS)


def tail(path: Path, *, characters: int = 3000) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-characters:] if path.exists() else "(no log)"


def parent_of(pid: int) -> int:
    """Return the id of the process that started another one."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
