"""A run of the example DAG: its accounts, its store, and the order of its mapped tasks."""

from __future__ import annotations

from datetime import date

from attrs import frozen

from tests.airflow.cluster.accounts import Account, Window
from tests.airflow.cluster.airflow_cluster import Cluster
from tests.airflow.cluster.metadata import Metadata
from tests.airflow.cluster.store import BUCKET, ReportStore

DAG_ID = "backfill_year"
TASK_ID = "pull"


@frozen(kw_only=True)
class Run:
    """What the kills and the checks need of a run.

    Attributes:
        job_seconds: How long most jobs take.
        large: The window of the last account whose result is a large file.
    """

    cluster: Cluster
    metadata: Metadata
    store: ReportStore
    accounts: list[Account]
    windows: list[Window]
    job_seconds: float
    large: Window

    @property
    def size(self) -> int:
        """How many exports it makes."""
        return len(self.accounts) * len(self.windows)

    @property
    def large_map_index(self) -> int:
        return self.map_index(self.accounts[0], self.large[0])

    def map_index(self, account: Account, start: date) -> int:
        """Return which of the mapped tasks exports a window of an account; windows come first in the DAG's plan."""
        window = [first for first, _ in self.windows].index(start)
        return window * len(self.accounts) + self.accounts.index(account)

    def expected(self) -> dict[str, str]:
        """Return the SHA-256 of each object by key, from the sandboxes' own results."""
        return {
            f"year/{account.connection}/{export.start}.csv": account.sandbox.result(export.job_id).sha256
            for account in self.accounts
            for export in account.sandbox.exports
        }


__all__ = ["BUCKET", "DAG_ID", "TASK_ID", "Run"]
