"""The rows about imports and about parsing a large list."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
from impact_jobs._api.responses import read_page
from impact_jobs._transport.base import Head, Response

from tests.benchmarks.measuring import Contestant, measure
from tests.benchmarks.rows import Row

_JOBS = 50_000


def imports(output: Path, runs: int) -> list[Row]:
    """Measure how long imports take."""
    programs = {
        "nothing": "",
        "httpx": "import httpx",
        "the package": "import impact_jobs",
        "a client": "from impact_jobs import JobsClient",
    }
    contestants = [Contestant(name, [sys.executable, "-c", code], {}, lambda: None) for name, code in programs.items()]
    found = {name: figures.seconds for name, figures in measure(contestants, runs=runs * 3, output=output).items()}
    bare, httpx, package, client = (found[name] - found["nothing"] for name in programs)
    del bare
    return [
        Row(
            "import impact_jobs, nothing used yet",
            package,
            httpx,
            package / httpx,
            0.4,
            is_floor=False,
            peer_name="httpx",
        ),
        Row(
            "from impact_jobs import JobsClient", client, httpx, client / httpx, 1.15, is_floor=False, peer_name="httpx"
        ),
    ]


class _Struct(msgspec.Struct, rename="pascal"):
    """A job for msgspec."""

    id: str
    type: str
    status: str
    program_id: str
    created_by: str
    created_date: datetime
    started_date: datetime
    completed_date: datetime
    last_progress_update_date: datetime
    status_message: str
    records_processed: int
    percentage_complete: int
    replayable: bool
    result_uri: str


def _listing() -> bytes:
    moment = "2026-05-29T04:33:50-05:00"
    return json.dumps(
        [
            {
                "Id": f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}",
                "Type": "ApiReport",
                "Status": "COMPLETED",
                "ProgramId": "12345",
                "CreatedBy": "IRabcdef",
                "CreatedDate": moment,
                "StartedDate": moment,
                "CompletedDate": moment,
                "LastProgressUpdateDate": moment,
                "StatusMessage": "The job finished successfully.",
                "RecordsProcessed": number,
                "PercentageComplete": 100,
                "Replayable": True,
                "ResultUri": f"/Agencies/IRabcdef/Jobs/3f6c1a52-7a5d-4f0e-9d53-{number:012x}/Download",
            }
            for number in range(_JOBS)
        ]
    ).encode()


def listing(runs: int) -> list[Row]:
    """Parse 50,000 jobs from JSON into objects, in this process."""
    body = _listing()
    response = Response(head=Head(status_code=200, received_at=datetime.now().astimezone()), body=body)
    decoder = msgspec.json.Decoder(list[_Struct])
    contestants: dict[str, Callable[[], object]] = {
        "ours": lambda: read_page(response, "list jobs"),
        "json.loads": lambda: json.loads(body),
        "msgspec": lambda: decoder.decode(body),
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, work in contestants.items():
            started = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - started)
    ours, loads, structs = (statistics.median(taken[name]) for name in contestants)
    return [
        Row("50,000 jobs into objects", ours, structs, ours / structs, 5.0, is_floor=False, peer_name="msgspec"),
        Row("50,000 jobs into objects", ours, loads, ours / loads, peer_name="json.loads"),
    ]
