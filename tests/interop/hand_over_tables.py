"""Hand a report's table to a dataframe library, and print what it holds as JSON.

Arguments: the library's name, and the report's id. The credentials are in the environment.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

from impact_jobs import JobsClient

COLUMNS = ("Partner_Id", "Sale_Amount", "Quantity", "New_Customer", "Action_Date", "Locking_Date", "Note")


def with_pandas(table: Any) -> dict[str, list[Any]]:
    pandas = importlib.import_module("pandas")
    frame = table.to_pandas(types_mapper=pandas.ArrowDtype)
    return {name: [None if pandas.isna(value) else value for value in frame[name]] for name in COLUMNS}


def with_polars(table: Any) -> dict[str, list[Any]]:
    frame = importlib.import_module("polars").from_arrow(table)
    return {name: frame[name].to_list() for name in COLUMNS}


HANDED_TO: dict[str, Callable[[Any], dict[str, list[Any]]]] = {"pandas": with_pandas, "polars": with_polars}


def main(library: str, report_id: str) -> None:
    with JobsClient.from_env() as jobs:
        table = jobs.read_report(report_id, start_date="2025-01-01", end_date="2025-01-31")
    expected, found = table.select(COLUMNS).to_pydict(), HANDED_TO[library](table)
    equal = [name for name in COLUMNS if found[name] == expected[name]]
    sys.stdout.write(json.dumps({"rows": table.num_rows, "equal": equal}))


if __name__ == "__main__":
    main(*sys.argv[1:])
