"""The machine: brought into the same state before every run, and described for whoever reads the figures."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_QUIET_SHARE = 0.15  # of one core
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
_TOUCH = (
    "import mmap as m; m.mmap(-1, 1536 << 20, flags=m.MAP_PRIVATE | m.MAP_ANONYMOUS | getattr(m, 'MAP_POPULATE', 0))"
)

runs_on_a_busy_machine = 0


def await_quiet() -> None:
    """Wait until other programs leave the processors alone; go on, and count it, if they never do."""
    global runs_on_a_busy_machine  # noqa: PLW0603 - one machine, one count
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _STAT.exists() and _busy_share() > _QUIET_SHARE:
        if time.monotonic() > deadline:
            runs_on_a_busy_machine += 1
            return


def warm_memory() -> None:
    """Have a gigabyte and a half touched and given back.

    A virtual machine hands out pages that its host has taken back only slowly; whoever comes first would pay. In a
    process of its own, for its size would count as that of every program that we start afterwards.
    """
    subprocess.run([sys.executable, "-I", "-S", "-c", _TOUCH], check=True)  # noqa: S603 - our own command


def describe() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "curl": _first_line("curl", "--version"),
        "nginx": _first_line("nginx", "-v"),
        "runs on a busy machine": str(runs_on_a_busy_machine),
    }


def find(program: str) -> str | None:
    """Where a program is, servers' folders included."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _busy_share() -> float:
    before, started = _busy_ticks(), time.monotonic()
    time.sleep(_LOOK_SECONDS)
    return (_busy_ticks() - before) / _TICKS / (time.monotonic() - started)


def _busy_ticks() -> int:
    user, nice, system, _idle, _waiting, irq, softirq, *_ = map(int, _STAT.read_text().split(maxsplit=8)[1:8])
    return user + nice + system + irq + softirq


def _first_line(program: str, option: str) -> str:
    found = find(program)
    if found is None:
        return "absent"
    done = subprocess.run([found, option], capture_output=True, text=True, check=False)  # noqa: S603 - as above
    return (done.stdout or done.stderr).splitlines()[0].split(" (")[0].removeprefix("nginx version: ")
