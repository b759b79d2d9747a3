"""The rows about joining twelve CSV files of 100 MB; `python -m tests.benchmarks.joining` measures these alone."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.measuring import Contestant, measure
from tests.benchmarks.rows import Row, table

_FILES = 12
_HEADER = b"Id,Date,Campaign,Amount,State,Note\n"
_LINES = {
    "plain": b"1234567890,2026-05-01T10:00:00-05:00,Some Campaign Name,123.456000000000000000,APPROVED,abc\n",
    "a quoted field a line": (
        b'1234567890,2026-05-01T10:00:00-05:00,"Some, Campaign Name",123.456000000000000000,APPROVED,abc\n'
    ),
    "a quoted newline a line": (
        b'1234567890,2026-05-01T10:00:00-05:00,"Some ""Campaign""\nName",123.456000000000000000,APPROVED,abc\n'
    ),
}


def rows(output: Path, *, runs: int, megabytes: int = 100) -> list[Row]:
    """Compare `join_csv` with `cat`, in speed and in peak memory.

    An export in windows has counted the records of each when it joins them; the second row of each kind counts, too.
    """
    found = []
    for kind, line in _LINES.items():
        with tempfile.TemporaryDirectory(dir=output.parent) as folder:
            sources = [Path(folder) / f"{number:02}.csv" for number in range(_FILES)]
            for source in sources:
                source.write_bytes(_HEADER + line * (megabytes * 1_000_000 // len(line)))
            peak = Path(folder) / "peak"
            names = [str(source) for source in sources]
            cat = Contestant("cat", ["sh", "-c", f"cat {shlex.join(names)} > {shlex.quote(str(output))}"], {}, _nothing)
            command = [sys.executable, "-m", "tests.benchmarks.clients", "join", folder, str(output)]
            environment = {"BENCH_PEAK": str(peak)}
            counts = Contestant("ours, counting", command, environment, _nothing)
            number = str(megabytes * 1_000_000 // len(line))
            ours = Contestant("ours", command, {**environment, "BENCH_ROWS": number}, _nothing)
            figures = measure([cat, counts, ours], runs=runs, output=output)
            memory = int(peak.read_text()) * 1024 / 1e6
            output.unlink()
        what = f"join {_FILES} x {megabytes} MB of CSV, {kind}"
        one, counting, other = figures["ours"], figures["ours, counting"], figures["cat"]
        found += [
            Row(what, one.seconds, other.seconds, other.seconds / one.seconds, 0.8, peer_name="cat"),
            Row(
                f"{what}, and count",
                counting.seconds,
                other.seconds,
                other.seconds / counting.seconds,
                peer_name="cat",
            ),
            Row(
                f"{what}: CPU", one.cpu_seconds, other.cpu_seconds, one.cpu_seconds / other.cpu_seconds, peer_name="cat"
            ),
            Row(f"{what}: peak memory", memory, 80, memory, 80, is_floor=False, unit="MB", peer_name="bound"),
        ]
    return found


def _nothing() -> None:
    pass


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, machine.ballast():
        sys.stdout.write(f"{table(rows(Path(scratch) / 'out', runs=5))}\n")
