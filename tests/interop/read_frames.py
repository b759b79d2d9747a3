"""Read a job's result with a dataframe library, and print a summary as JSON.

Arguments: the library's name, "blocking" or "asynchronous", and a job's id. The credentials are in the environment.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from impact_jobs import AsyncJobsClient, JobsClient


def with_pandas(file: Any) -> tuple[Any, Any]:
    frame = importlib.import_module("pandas").read_csv(file)
    return frame["Campaign"].tolist(), frame["Sale_Amount"].tolist()


def with_polars(file: Any) -> tuple[Any, Any]:
    frame = importlib.import_module("polars").read_csv(file)
    return frame["Campaign"].to_list(), frame["Sale_Amount"].to_list()


def with_pyarrow(file: Any) -> tuple[Any, Any]:
    table = importlib.import_module("pyarrow.csv").read_csv(file)
    return table["Campaign"].to_pylist(), table["Sale_Amount"].to_pylist()


READERS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "pandas": with_pandas,
    "polars": with_polars,
    "pyarrow": with_pyarrow,
}


def read(library: str, file: Any) -> dict[str, object]:
    with file:
        campaigns, amounts = READERS[library](file)
    return {"closed": file.closed, **summary(campaigns, amounts)}


def summary(campaigns: Iterable[str], amounts: Iterable[float]) -> dict[str, object]:
    names = list(campaigns)
    return {
        "rows": len(names),
        "campaigns": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "cents": sum(round(amount * 100) for amount in amounts),
    }


def main(library: str, kind: str, job_id: str) -> None:
    if kind == "blocking":
        with JobsClient.from_env() as jobs:
            outcome = read(library, jobs.open(job_id))
    else:
        outcome = asyncio.run(in_a_thread(library, job_id))
    sys.stdout.write(json.dumps(outcome))


async def in_a_thread(library: str, job_id: str) -> dict[str, object]:
    async with AsyncJobsClient.from_env() as jobs:
        return await asyncio.to_thread(lambda: read(library, jobs.open(job_id)))


if __name__ == "__main__":
    main(*sys.argv[1:])
