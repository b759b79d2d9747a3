"""A thousand jobs within a thousand requests per hour, and ten thousand in one process, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.benchmarks.waiting import many, steady
from tests.benchmarks.waiting.schedules import PEERS


@pytest.mark.parametrize(
    ("arrival", "count", "page_size", "p95"),
    [
        ("all at once", 300, 0, 2),  # a bare array takes one request, however many jobs it lists
        ("all at once", 1000, 100, 60),
        ("all at once, begun within an hour", 1000, 100, 120),
        ("batches over an hour", 1000, 100, 60),
    ],
)
def test_a_thousand_jobs_stay_within_a_thousand_requests_per_hour(
    arrival: str, count: int, page_size: int, p95: float
) -> None:
    result = many.ours(many.arrivals(count)[arrival], page_size=page_size)
    assert result.refused == 0
    assert len(result.late) == count
    assert min(result.late) >= 0
    assert max(result.late) <= 600
    assert result.p95 <= p95


@pytest.mark.parametrize("peer", PEERS)
def test_the_other_clients_run_out_of_requests(peer: str) -> None:
    result = many.theirs(many.arrivals(1000)["batches over an hour"], PEERS[peer])
    assert result.refused > 1000
    assert result.p95 > 1000


def test_the_report_is_written() -> None:
    found = many.measured(20)
    assert "20 jobs, batches over an hour" in many.text(found)
    assert {row.verdict for row in many.rows(found) if "late" not in row.what} == {"met"}


def test_memory_does_not_grow() -> None:
    before, after = steady.growth(100, count=24)
    assert after <= before * 1.05


def test_a_large_list_is_read_at_a_limited_rate() -> None:
    seen = steady.ticks(10_000, count=3, page_size=0, probe=lambda _: 0.0)
    assert all(later - earlier >= 3.3 for (earlier, _), (later, _) in pairwise(seen))
