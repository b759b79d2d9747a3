from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import Job
from impact_jobs._policy.daily_exports import COUNTED_FOR, DAILY_LIMIT, DailyExports

NOON = datetime(2026, 5, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def job(number: int, created: datetime | None = NOON, type_: str = "ApiReport") -> Job:
    return Job(id=str(UUID(int=number)), status="COMPLETED", type=type_, created_date=created)


def test_an_export_counts_for_24_hours_and_some_seconds() -> None:
    exports = DailyExports()
    exports.on_sent(NOON)
    assert exports.left(NOON) == DAILY_LIMIT - 1
    assert exports.left(NOON + DAY - HOUR) == DAILY_LIMIT - 1
    assert exports.left(NOON + DAY) == DAILY_LIMIT - 1
    assert exports.left(NOON + COUNTED_FOR) == DAILY_LIMIT


def test_an_export_that_was_not_accepted_is_not_counted() -> None:
    exports = DailyExports()
    for _ in range(2):
        exports.on_sent(NOON)
    for left in (DAILY_LIMIT - 1, DAILY_LIMIT, DAILY_LIMIT):
        exports.on_not_accepted(NOON)
        assert exports.left(NOON) == left


def test_a_job_of_an_export_of_this_process_counts_once() -> None:
    exports = DailyExports()
    exports.on_sent(NOON)
    exports.on_answer(job(10).id.upper(), NOON)
    others = [job(14, NOON, "ClickExport"), job(15, NOON, "UploadAds"), job(16, NOON, "CatalogIngest")]
    exports.on_listed([job(10), job(11), job(12, NOON - COUNTED_FOR), job(13, None), *others])
    assert exports.left(NOON) == DAILY_LIMIT - 2
    exports.on_listed([])
    assert exports.left(NOON) == DAILY_LIMIT - 1


def test_exports_are_possible_again_once_the_oldest_of_the_last_hundred_is_a_day_old() -> None:
    exports = DailyExports()
    assert exports.again_at(NOON) == NOON
    exports.on_listed([job(number, NOON - number * HOUR / 10) for number in range(DAILY_LIMIT + 2)])
    assert exports.left(NOON) == 0
    again = exports.again_at(NOON)
    assert again == NOON - (DAILY_LIMIT - 1) * HOUR / 10 + COUNTED_FOR
    assert exports.left(again) == 1


def test_an_export_that_the_server_received_a_moment_later_still_counts_a_day_later() -> None:
    exports = DailyExports()
    received = NOON + timedelta(seconds=0.9)  # and the list says NOON
    exports.on_listed([job(number) for number in range(DAILY_LIMIT)])
    assert exports.left(received + DAY) == 0


@given(st.lists(st.integers(0, 900), min_size=1, max_size=300))
def test_no_24_hours_have_more_exports_than_the_limit(minutes: list[int]) -> None:
    exports, now, sent = DailyExports(), NOON, []
    for pause in minutes:
        now += timedelta(minutes=pause)
        if exports.left(now):
            exports.on_sent(now)
            sent.append(now)
        else:
            now = exports.again_at(now)
            assert exports.left(now)
    for number, last in enumerate(sent[DAILY_LIMIT:]):
        assert last - sent[number] >= DAY
