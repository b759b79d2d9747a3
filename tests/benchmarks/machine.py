"""Bring the machine into the same state before every run, and describe it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STAT = Path("/proc/stat")
_QUIET_SHARE = 0.15  # of one core
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
_BALLAST_BYTES = 4 << 30
_STRIPE_BYTES = 1 << 20
_HOLD = """
import mmap, sys
size, stripe = map(int, sys.argv[1:])
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
for start in range(0, size, 2 * stripe):
    memory.madvise(mmap.MADV_DONTNEED, start, stripe)
print(flush=True)
sys.stdin.read()
"""

runs_on_a_busy_machine = 0


def await_quiet() -> None:
    """Wait until other programs leave the processors idle; if they never do, count the run as disturbed."""
    global runs_on_a_busy_machine  # noqa: PLW0603 - one machine, one count
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _STAT.exists() and _busy_share() > _QUIET_SHARE:
        if time.monotonic() > deadline:
            runs_on_a_busy_machine += 1
            return


@contextmanager
def ballast() -> Iterator[None]:
    """Keep two gigabytes of free memory that every contestant gets equally fast.

    The host of a virtual machine reclaims memory that has been free for a second or two, in blocks of 2 MiB, and
    returns it slowly, so the first contestant to write a large file would pay up to a second per gigabyte. A process
    that holds every other mebibyte of twice as much keeps the host from reclaiming the mebibytes in between.
    """
    if not _STAT.exists() or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 3 * _BALLAST_BYTES:
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _HOLD, str(_BALLAST_BYTES), str(_STRIPE_BYTES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.stdin.close()


def describe() -> dict[str, str]:
    """Return the properties of the machine that the figures depend on."""
    return {
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "curl": _first_line("curl", "--version"),
        "nginx": _first_line("nginx", "-v"),
        "runs on a busy machine": str(runs_on_a_busy_machine),
    }


def find(program: str) -> str | None:
    """Find a program on PATH or in the folders of servers."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _busy_share() -> float:
    before, started = _busy_ticks(), time.monotonic()
    time.sleep(_LOOK_SECONDS)
    return (_busy_ticks() - before) / _TICKS / (time.monotonic() - started)


def _busy_ticks() -> int:
    # Niced programs do not count, because they yield.
    user, _nice, system, _idle, _waiting, irq, softirq, *_ = map(int, _STAT.read_text().split(maxsplit=8)[1:8])
    return user + system + irq + softirq


def _first_line(program: str, option: str) -> str:
    found = find(program)
    if found is None:
        return "absent"
    done = subprocess.run([found, option], capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    return (done.stdout or done.stderr).splitlines()[0].split(" (")[0].removeprefix("nginx version: ")
