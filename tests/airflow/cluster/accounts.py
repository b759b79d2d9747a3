"""The accounts of the run: a sandbox each, with the connections that lead to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta

from attrs import frozen
from impact_jobs.sandbox import RecordedExport, Sandbox

Window = tuple[date, date]
FIRST_MONDAY = date(2025, 1, 6)


@frozen(kw_only=True)
class Account:
    """A sandbox and the id of the connection to it."""

    connection: str
    sandbox: Sandbox

    @property
    def environ(self) -> dict[str, str]:
        """The variable from which Airflow reads the connection."""
        sandbox = self.sandbox
        value = {
            "conn_type": "impact",
            "login": sandbox.account_sid,
            "password": sandbox.auth_token,
            "host": sandbox.base_url,
            "extra": {"report_url": f"{sandbox.base_url}/reports/{{report_id}}"},
        }
        return {f"AIRFLOW_CONN_{self.connection.upper()}": json.dumps(value)}

    def end_of(self, job_id: str) -> float:
        """Return when a job ends, in epoch seconds."""
        job = self.sandbox._state.store[job_id]
        return job.created + job.seconds

    def large_export(self, size: int) -> RecordedExport | None:
        """Return the export whose result has at least `size` bytes, or None if it is yet to come."""
        return next((each for each in self.sandbox.exports if self.sandbox.result(each.job_id).size >= size), None)


@contextmanager
def accounts(names: Sequence[str], *, job_seconds: float) -> Iterator[list[Account]]:
    """Start a sandbox for each connection; they have the limits of a real account."""
    with ExitStack() as stack:
        yield [
            Account(
                connection=name,
                sandbox=stack.enter_context(Sandbox(seed=seed, job_seconds=job_seconds, rows_per_day=20)),
            )
            for seed, name in enumerate(names, start=1)
        ]


def weeks(count: int) -> list[Window]:
    """Return whole weeks, in order, from the first Monday of a year."""
    starts = [FIRST_MONDAY + timedelta(weeks=index) for index in range(count)]
    return [(start, start + timedelta(days=6)) for start in starts]
