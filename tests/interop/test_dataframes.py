"""Dataframe libraries read a result from `jobs.open`, without a file on disk, and give the client their values.

Each runs in a separate process.
"""

from __future__ import annotations

import csv
import io
import json

import pytest
from impact_jobs.sandbox import Sandbox

from tests.interop.hand_over_tables import COLUMNS, HANDED_TO
from tests.interop.processes import run_module
from tests.interop.read_frames import READERS, summary

pytestmark = pytest.mark.interop


def expected(sandbox: Sandbox, job_id: str) -> dict[str, object]:
    rows = list(csv.DictReader(io.StringIO(b"".join(sandbox.result(job_id).read()).decode())))
    return summary((row["Campaign"] for row in rows), (float(row["Sale_Amount"]) for row in rows))


@pytest.mark.parametrize("kind", ["blocking", "asynchronous"])
@pytest.mark.parametrize("library", READERS)
def test_a_dataframe_library_reads_a_result(library: str, kind: str, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=2_000_000)
    out = run_module("tests.interop.read_frames", library, kind, job_id, environ=sandbox.environ)
    assert json.loads(out) == {"closed": True, **expected(sandbox, job_id)}


def test_values_of_numpy_and_pandas_are_accepted_where_they_mean_one(sandbox: Sandbox) -> None:
    out = run_module("tests.interop.pass_foreign_values", sandbox.add_job(), environ=sandbox.environ)
    assert json.loads(out) == {"kept": [20, 3, 0.5, 0.5], "accepted": []}


@pytest.mark.parametrize("library", HANDED_TO)
def test_a_dataframe_library_takes_a_table_over_exactly(library: str, sandbox: Sandbox) -> None:
    report = "agency_action_listing"
    found = json.loads(run_module("tests.interop.hand_over_tables", library, report, environ=sandbox.environ))
    assert found.pop("rows") > 0
    assert found == {"equal": list(COLUMNS)}
