"""A run of the example DAG: its accounts, its store, and the order of its mapped tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from attrs import frozen

from tests.airflow.cluster.accounts import Account, Window
from tests.airflow.cluster.airflow_cluster import Cluster
from tests.airflow.cluster.metadata import Metadata
from tests.airflow.cluster.store import ReportStore

DAG_ID: Final = "backfill_year"
TASK_ID: Final = "pull"
LOADER: Final = "load_year"
NIGHTLY: Final = "nightly_accounts"
NAIVE: Final = "naive"
PLANNED: Final = "impact_months"


@frozen(kw_only=True)
class Run:
    """What the kills and the checks need of a run.

    Attributes:
        accounts: The accounts that it pulls.
        naive: The account of the naive DAG.
        windows: The windows of each account.
    """

    cluster: Cluster
    metadata: Metadata
    store: ReportStore
    accounts: list[Account]
    naive: Account
    windows: Sequence[Window]

    @property
    def size(self) -> int:
        """How many exports it makes."""
        return len(self.accounts) * len(self.windows)

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

    def spans(self) -> dict[int, tuple[float, float]]:
        """Return from when to when the job of each mapped task ran, in epoch seconds."""
        return {
            self.map_index(account, export.start): (export.time, account.end_of(export.job_id))
            for account in self.accounts
            for export in account.sandbox.exports
            if export.is_new
        }
