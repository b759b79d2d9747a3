"""Yesterday's package with a new server, and today's with yesterday's server, after every planted change."""

from __future__ import annotations

import pytest

from tests.interop.compatibility.changes import CHANGES
from tests.interop.compatibility.page import PAGE, Results, measure, rewritten

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def results() -> Results:
    return measure()


def test_the_page_shows_what_happens(results: Results) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rewritten(page, results) == page, "run `python -m tests.interop.compatibility`"


def test_the_facade_works_after_exactly_those_changes_that_are_said_not_to_break_it(results: Results) -> None:
    assert {row.name for row in results.rows if not row.facade_works} == {
        change.name for change in CHANGES if change.breaks_facade
    }


def test_the_generated_package_works_after_exactly_those_changes_that_are_said_not_to_break_it(
    results: Results,
) -> None:
    assert {row.name for row in results.rows if not row.generated_works} == {
        change.name for change in CHANGES if change.breaks_generated
    }
