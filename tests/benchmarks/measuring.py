"""Time whole processes in turn, so that changes of the machine's speed affect all of them."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from tests.benchmarks import machine


@frozen
class Figures:
    """The medians of one contestant's runs.

    Attributes:
        seconds: Wall clock, from start to end of the process.
        cpu_seconds: User and system time of the process and its children.
        all_seconds: The wall clock of every run.
        peak_bytes: The most memory that the process had.
    """

    seconds: float
    cpu_seconds: float
    all_seconds: tuple[float, ...] = ()
    peak_bytes: float = 0.0


@frozen
class Contestant:
    """A command to measure.

    Attributes:
        name: Its name in the table.
        command: The command; its output is discarded.
        environ: Additional environment variables.
        before: Called before each run, outside of the measurement.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    before: Callable[[], None]


def measure(
    contestants: Sequence[Contestant], *, runs: int, output: Path, sha256: str | None = None
) -> dict[str, Figures]:
    """Run all in turn, A B C A B C …, after a warm-up round.

    Args:
        contestants: The commands to run.
        runs: The number of rounds that count.
        output: The file that each writes; it is removed before every run.
        sha256: The expected digest of the file after the warm-up round; None to skip the check.

    Raises:
        RuntimeError: A contestant failed, or wrote a wrong file.
    """
    taken: dict[str, list[Figures]] = {contestant.name: [] for contestant in contestants}
    for number in range(runs + 1):
        for contestant in contestants:
            figures = _run(contestant, output)
            if number:
                taken[contestant.name].append(figures)
            elif sha256 is not None and digest(output) != sha256:
                raise RuntimeError(f"{contestant.name}: it wrote another file than the one served")
    return {name: _median(figures) for name, figures in taken.items()}


def _run(contestant: Contestant, output: Path) -> Figures:
    output.unlink(missing_ok=True)
    contestant.before()
    os.sync()
    machine.await_quiet()
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own commands
        list(contestant.command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **contestant.environ},
    ) as process:
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{contestant.name} failed: {errors.decode(errors='replace')[-2000:]}")
    return Figures(seconds, usage.ru_utime + usage.ru_stime, peak_bytes=usage.ru_maxrss * 1024.0)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _median(figures: Sequence[Figures]) -> Figures:
    return Figures(
        statistics.median(one.seconds for one in figures),
        statistics.median(one.cpu_seconds for one in figures),
        tuple(one.seconds for one in figures),
        statistics.median(one.peak_bytes for one in figures),
    )
