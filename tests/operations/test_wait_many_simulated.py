"""A thousand jobs on a thousand requests an hour, and ten thousand in one process, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.benchmarks.waiting import many, steady
from tests.benchmarks.waiting.schedules import PEERS


@pytest.mark.parametrize(
    ("arrival", "page_size", "p95"),
    [
        ("all at once", 0, 2),
        ("all at once", 100, 60),
        ("all at once, begun within an hour", 100, 120),
        ("batches over an hour", 100, 60),
    ],
)
def test_a_thousand_jobs_on_a_thousand_requests_an_hour(arrival: str, page_size: int, p95: float) -> None:
    came = many.ours(many.arrivals(1000)[arrival], page_size=page_size)
    assert came.refused == 0
    assert len(came.late) == 1000
    assert min(came.late) >= 0
    assert max(came.late) <= 600
    assert came.p95 <= p95


@pytest.mark.parametrize("peer", PEERS)
def test_the_peers_run_out_of_requests(peer: str) -> None:
    came = many.theirs(many.arrivals(1000)["batches over an hour"], PEERS[peer])
    assert came.refused > 1000
    assert came.p95 > 1000


def test_the_report_can_be_written() -> None:
    found = many.measured(20)
    assert "20 jobs, batches over an hour" in many.text(found)
    assert {row.verdict for row in many.rows(found) if "late" not in row.what} == {"met"}


def test_memory_is_flat() -> None:
    before, after = steady.growth(100, count=24)
    assert after <= before * 1.05


def test_a_large_list_is_not_read_faster_than_can_be_afforded() -> None:
    seen = steady.ticks(10_000, count=4, page_size=0, probe=lambda _: 0.0)
    assert all(later - earlier >= 3.3 for (earlier, _), (later, _) in pairwise(seen))
