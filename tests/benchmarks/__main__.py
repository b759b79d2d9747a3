"""`make bench`: compare our downloads with those of curl and others, with a verdict for each target."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from attrs import asdict
from impact_jobs.sandbox import Sandbox

from tests.benchmarks import frames, joining, machine, programs, transfers
from tests.benchmarks.chart import draw
from tests.benchmarks.rows import Row, table
from tests.benchmarks.servers import make_files, nginx
from tests.benchmarks.waiting import many
from tests.benchmarks.waiting import report as waiting

FILES = Path(".cache/benchmarks")
_LIVES = 10_000


def main() -> None:
    """Measure, print the table, and write the files that the options name."""
    arguments = _arguments()
    make_files(FILES)
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(dir=FILES) as scratch,
        Sandbox(job_seconds=0, hourly_budget=None) as sandbox,
        nginx(FILES.resolve(), Path(scratch).resolve()) as server,
        machine.ballast(),
    ):
        bench = transfers.Bench(
            sandbox=sandbox,
            nginx=server,
            files=FILES,
            output=Path(scratch).resolve() / "out",
            runs=arguments.runs,
            large="64m" if arguments.quick else "1g",
        )
        groups: dict[str, Callable[[], list[Row]]] = {
            "http": lambda: transfers.one_stream(bench, "HTTP"),
            "https": lambda: transfers.one_stream(bench, "HTTPS"),
            "in-memory": lambda: transfers.in_memory(bench),
            "small": lambda: transfers.small(bench),
            "throttled": lambda: transfers.throttled(bench),
            "chunked": lambda: transfers.chunked(bench),
            "memory": lambda: transfers.memory(bench),
            "joining": lambda: joining.rows(bench.output, runs=bench.runs, megabytes=10 if arguments.quick else 100),
            "parquet": lambda: frames.parquet(FILES, bench.output, bench.runs, quick=arguments.quick),
            "imports": lambda: programs.imports(bench.output, bench.runs),
            "listing": lambda: programs.listing(bench.runs * 2),
            "waiting": lambda: waiting.run(_LIVES),
            "many": many.run,
        }
        for name in arguments.rows or groups:
            sys.stderr.write(f"measuring: {name}\n")
            rows += groups[name]()
    about = {**machine.describe(), "runs": f"{arguments.runs} each, medians", "large file": bench.large}
    sys.stdout.write(f"{table(rows)}\n\n" + "".join(f"{name}: {value}\n" for name, value in about.items()))
    if arguments.quick:
        sys.stdout.write("--quick: most of the time measured is start-up, so the verdicts mean little\n")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"about": about, "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]}, indent=1)
        )
    if arguments.chart:
        draw(rows, arguments.chart)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 MiB instead of 1 GiB, to check that everything works")
    parser.add_argument("--runs", type=int, default=5, help="the number of runs of each contestant (5)")
    parser.add_argument(
        "--rows",
        nargs="*",
        help="only these: "
        "http https in-memory small throttled chunked memory joining parquet imports listing waiting many",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--chart", type=Path, help="draw them to this PNG file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
