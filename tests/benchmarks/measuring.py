"""Timing whole processes side by side, so that the machine's moods fall on all alike."""

from __future__ import annotations

import mmap
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

_MIB = 1024 * 1024


@frozen
class Figures:
    """Medians over the runs of one contestant.

    Attributes:
        seconds: Wall clock, from start to end of the process.
        cpu_seconds: User and system time of the process and its children.
        peak_bytes: The largest resident size of any of its processes.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@frozen
class Contestant:
    """A command to be measured.

    Attributes:
        name: What the table calls it.
        command: The command; its output goes nowhere.
        environ: Variables beyond ours.
        before: Called before each run, outside of the timing.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    before: Callable[[], None]


def measure(contestants: Sequence[Contestant], *, runs: int, output: Path) -> dict[str, Figures]:
    """Run all in turn, A B C A B C …, after a round that does not count.

    Args:
        contestants: What to run.
        runs: How often each counts.
        output: The file that each writes; removed before every run.

    Raises:
        RuntimeError: One of them failed.
    """
    taken: dict[str, list[Figures]] = {contestant.name: [] for contestant in contestants}
    for number in range(runs + 1):
        for contestant in contestants:
            figures = _run(contestant, output)
            if number:
                taken[contestant.name].append(figures)
    return {name: _median(figures) for name, figures in taken.items()}


def _run(contestant: Contestant, output: Path) -> Figures:
    output.unlink(missing_ok=True)
    os.sync()
    _warm_memory()
    contestant.before()
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own commands
        list(contestant.command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **contestant.environ},
    ) as process:
        said = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{contestant.name} failed: {said.decode(errors='replace')[-2000:]}")
    return Figures(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _warm_memory() -> None:
    # A virtual machine hands out pages that its host has taken back only slowly; whoever comes first would pay.
    with mmap.mmap(-1, 1536 * _MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE):
        """Touched, and given back to the kernel."""


def _median(figures: Sequence[Figures]) -> Figures:
    return Figures(
        statistics.median(one.seconds for one in figures),
        statistics.median(one.cpu_seconds for one in figures),
        int(statistics.median(one.peak_bytes for one in figures)),
    )
