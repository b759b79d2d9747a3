"""The rows about Parquet: ours from CSV, against a plain loop over pyarrow's own reader and writer.

`python -m tests.benchmarks.frames NAME SOURCE TARGET` runs one contestant.
"""

# ruff: noqa: PLC0415 - imports count in the measurement
from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from impact_jobs import DataType, ReportColumn, ReportMetadata

from tests.benchmarks.measuring import Contestant, measure
from tests.benchmarks.rows import Row

_ROWS_AT_ONCE = 10_000
_PEAK_BOUND = 400.0  # MB
_COLUMNS = {
    "Action_Id": DataType.STRING,
    "Action_Date": DataType.DATE,
    "Campaign_Id": DataType.INTEGER,
    "Campaign": DataType.STRING,
    "Status": DataType.STRING,
    "Sale_Amount": DataType.DECIMAL,
    "Payout": DataType.DECIMAL,
    "Items": DataType.INTEGER,
    "New_Customer": DataType.BOOLEAN,
    "Currency": DataType.STRING,
    "Click_Id": DataType.STRING,
    "Note": DataType.STRING,
}
_CAMPAIGNS = ("Acme Shoes", '"Harbor & Pine, Ltd"', "Café Lumière", '"The ""Blue"" Door"', "Globex", "Umbra Home")
_WORDS = ("spring", "newsletter", "banner", "partner", "deal", "video", "social", "search")
_METADATA = ReportMetadata(
    id="agency_action_listing",
    name="Action Listing",
    columns=tuple(ReportColumn(name=name, data_type=kind) for name, kind in _COLUMNS.items()),
)


def parquet(files: Path, output: Path, runs: int, *, quick: bool) -> list[Row]:
    """Convert a CSV file of 1 GB, which is made once and has rows that do not repeat and newlines within quotes."""
    megabytes = 64 if quick else 1000
    source = files / f"{megabytes}mb.csv"
    if not source.exists():
        _make(source, megabytes * 10**6)
    command = [sys.executable, "-m", "tests.benchmarks.frames"]
    contestants = [
        Contestant(name, [*command, name, str(source), str(output)], {}, lambda: None) for name in _CONTESTANTS
    ]
    found = measure(contestants, runs=runs, output=output)
    ours = found["ours"]
    what = f"Parquet of {megabytes} MB of CSV"
    peak = ours.peak_bytes / 1e6
    peers = [(f"pyarrow, {name}", figures) for name, figures in found.items() if name != "ours"]
    return [
        *(
            Row(what, ours.seconds, peer.seconds, peer.seconds / ours.seconds, 0.8, peer_name=name)
            for name, peer in peers
        ),
        *(
            Row(f"{what}, CPU", ours.cpu_seconds, peer.cpu_seconds, peer.cpu_seconds / ours.cpu_seconds, peer_name=name)
            for name, peer in peers
        ),
        Row(f"{what}, peak memory", peak, _PEAK_BOUND, peak, _PEAK_BOUND, is_floor=False, unit="MB", peer_name="bound"),
    ]


def _make(path: Path, size: int) -> None:
    entropy, partial = random.Random(7), path.with_suffix(".part")  # noqa: S311 - no secrets
    with partial.open("w", encoding="utf-8", newline="") as file:
        written = file.write(",".join(_COLUMNS) + "\n")
        first = 0
        while written < size:
            numbers = range(first, first + _ROWS_AT_ONCE)
            written += file.write("".join(_row(number, entropy.getrandbits(64)) for number in numbers))
            first += _ROWS_AT_ONCE
    partial.rename(path)


def _row(number: int, bits: int) -> str:
    kind, word, other = bits & 255, _WORDS[bits >> 8 & 7], _WORDS[bits >> 11 & 7]
    note = f'"{word} {number}\n{other}"' if kind < 16 else f"{word}-{other}-{number % 1000}"
    moment = f"2026-05-{(bits >> 18) % 28 + 1:02d}T{(bits >> 23) % 24:02d}:{(bits >> 28) % 60:02d}:00-05:00"
    return (
        f"1000.{number:08d}.{kind:04d},{moment},{10_000 + kind},{_CAMPAIGNS[kind % 6]},"
        f"{('APPROVED', 'PENDING', 'REVERSED')[kind % 3]},{(bits >> 40) % 90_000 / 100:.2f}{'0' * 16},"
        f"{(bits >> 40) % 9_000 / 100:.2f}{'0' * 16},{bits >> 50 & 7},{'true' if bits & 1 else 'false'},"
        f"{('USD', 'EUR', 'GBP')[kind % 3]},{bits:016x},{note}\n"
    )


def _ours(source: str, target: str) -> None:
    from impact_jobs._tables.parquet import write_parquet

    write_parquet([Path(source)], Path(target), _METADATA)


def _inferred_types(source: str, target: str) -> None:
    _plain(source, target, {})


def _same_types(source: str, target: str) -> None:
    from impact_jobs._tables.schema import arrow_type

    _plain(source, target, {column.name: arrow_type(column) for column in _METADATA.columns})


def _plain(source: str, target: str, types: dict[str, object]) -> None:
    from pyarrow import csv, parquet

    reader = csv.open_csv(
        source,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types),
    )
    with parquet.ParquetWriter(target, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


_CONTESTANTS: dict[str, Callable[[str, str], None]] = {
    "ours": _ours,
    "inferred types": _inferred_types,
    "same types": _same_types,
}

if __name__ == "__main__":
    _CONTESTANTS[sys.argv[1]](*sys.argv[2:])
