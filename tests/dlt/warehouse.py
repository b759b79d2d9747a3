"""A pipeline of dlt with a DuckDB database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen
from impact_jobs.sync import Plan

if TYPE_CHECKING:
    from dlt.extract import DltSource


@frozen
class Warehouse:
    """A database and the working folder of its pipeline."""

    folder: Path

    def pipeline(self, destination: Any = None) -> Any:
        import dlt  # noqa: PLC0415 - takes a second

        return dlt.pipeline(
            "impact",
            pipelines_dir=str(self.folder / "pipelines"),
            destination=destination or dlt.destinations.duckdb(str(self.folder / "warehouse.duckdb")),
            dataset_name="impact",
        )

    def load(self, plan: Any, **options: Any) -> int:
        """Load a plan, and return how many rows were sent to the destination, those that remove a window included."""
        pipeline = self.pipeline()
        info = pipeline.run(source(plan, **options))
        if not info.loads_ids:
            return 0
        counts: dict[str, int] = pipeline.last_trace.last_normalize_info.row_counts
        return sum(count for name, count in counts.items() if not name.startswith("_dlt"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb  # noqa: PLC0415 - takes long

        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as database:
            database.execute("SET schema = 'impact'")
            return database.execute(sql).fetchall()

    def counts(self, table: str = "actions") -> dict[tuple[str, str], int]:
        found = self.query(f"SELECT _impact_account, _impact_window[6:], count(*) FROM {table} GROUP BY ALL")  # noqa: S608
        return {(account, start): count for account, start, count in found}


def source(plan: Any, **options: Any) -> DltSource:
    from impact_jobs.dlt import reports  # noqa: PLC0415 - takes a second

    return reports(cast("Plan", plan), **options)
