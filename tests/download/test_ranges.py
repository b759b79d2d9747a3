from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs._download.ranges import Coverage, Representation, connections_for, range_mismatch, split_ranges
from impact_jobs._transport.base import Head
from impact_jobs._transport.headers import Span, content_range

LENGTH = 40
positions = st.integers(0, LENGTH)
spans = st.lists(st.tuples(positions, positions).map(lambda pair: Span(min(pair), max(pair))), max_size=12)


def covered(found: Coverage | list[Span]) -> set[int]:
    parts = found.spans if isinstance(found, Coverage) else found
    return {position for start, stop in parts for position in range(start, stop)}


def coverage_of(found: list[Span]) -> Coverage:
    coverage = Coverage()
    for start, stop in found:
        coverage = coverage.plus(start, stop)
    return coverage


class TestCoverage:
    @given(spans)
    def test_it_holds_exactly_the_spans_that_were_added(self, found: list[Span]) -> None:
        coverage = coverage_of(found)
        expected = covered(found)
        assert covered(coverage) == expected
        assert coverage.size == len(expected)
        assert coverage.prefix == next(position for position in range(LENGTH + 1) if position not in expected)

    @given(spans)
    def test_its_spans_are_sorted_disjoint_and_not_adjacent(self, found: list[Span]) -> None:
        coverage = coverage_of(found)
        assert all(start < stop for start, stop in coverage.spans)
        assert all(before.stop < after.start for before, after in zip(coverage.spans, coverage.spans[1:], strict=False))

    @given(spans)
    def test_the_order_of_adding_does_not_matter(self, found: list[Span]) -> None:
        assert coverage_of(found) == coverage_of(found[::-1])

    @given(spans)
    def test_gaps_are_the_missing_spans(self, found: list[Span]) -> None:
        coverage = coverage_of(found)
        gaps = coverage.gaps(LENGTH)
        assert covered(gaps) == set(range(LENGTH)) - covered(coverage)
        assert all(start < stop for start, stop in gaps)
        assert coverage_of([*coverage.spans, *gaps]) == (Coverage((Span(0, LENGTH),)) if LENGTH else Coverage())

    @given(spans, positions)
    def test_it_fits_a_file_that_is_long_enough(self, found: list[Span], size: int) -> None:
        coverage = coverage_of(found)
        assert coverage.fits(size) == all(position < size for position in covered(coverage))

    def test_an_empty_coverage(self) -> None:
        assert (Coverage().size, Coverage().prefix, Coverage().gaps(0)) == (0, 0, [])
        assert Coverage().gaps(3) == [Span(0, 3)]


class TestSplitRanges:
    @given(spans, st.integers(1, 64))
    def test_the_ranges_cover_the_gaps_once(self, found: list[Span], connections: int) -> None:
        gaps = coverage_of(found).gaps(LENGTH)
        cut = split_ranges(gaps, connections)
        assert covered(cut) == covered(gaps)
        assert sum(stop - start for start, stop in cut) == len(covered(gaps)), "each byte once"
        assert cut == sorted(cut)
        assert len(cut) < connections + max(1, len(gaps))

    @pytest.mark.parametrize(("size", "connections", "sizes"), [(10, 3, [4, 4, 2]), (2, 8, [1, 1]), (9, 1, [9])])
    def test_the_ranges_are_even(self, size: int, connections: int, sizes: list[int]) -> None:
        assert [stop - start for start, stop in split_ranges([Span(0, size)], connections)] == sizes

    @given(st.integers(0, 1 << 62), st.floats(0, 1e12))
    def test_every_speed_gives_one_or_eight_connections(self, missing: int, speed: float) -> None:
        assert connections_for(missing, bytes_per_second=speed) in {1, 8}


class TestContentRange:
    @pytest.mark.parametrize(
        ("header", "span", "total"),
        [
            ("bytes 0-0/1", Span(0, 1), 1),
            ("bytes 5-9/10", Span(5, 10), 10),
            (" bytes 5-9/* ", Span(5, 10), None),
            ("bytes 0-9223372036854775806/9223372036854775807", Span(0, 2**63 - 1), 2**63 - 1),
        ],
    )
    def test_a_valid_header_is_parsed(self, header: str, span: Span, total: int | None) -> None:
        assert content_range({"content-range": header}) == (span, total)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes 5-9",
            "bytes=5-9/10",
            "bytes -5-9/10",
            "bytes 5-9/-10",
            "items 5-9/10",
            "bytes 5-9/10, bytes 20-30/40",
            f"bytes 0-1/{10**30}",
            "bytes \u0665-9/10x",
        ],
    )
    def test_an_invalid_header_is_none(self, header: str) -> None:
        assert content_range({"content-range": header}) is None
        assert content_range({}) is None

    @given(st.text(max_size=40))
    def test_arbitrary_text_does_not_raise(self, header: str) -> None:
        found = content_range({"content-range": header})
        assert found is None or 0 <= found.span.start < found.span.stop


DATES = {"last-modified": "Fri, 29 May 2026 00:00:00 GMT", "date": "Fri, 29 May 2026 00:01:00 GMT"}


class TestRepresentation:
    @pytest.mark.parametrize(
        ("headers", "validator"),
        [
            ({"etag": '"v1"'}, '"v1"'),
            ({"etag": ' "v1" '}, '"v1"'),
            ({"etag": 'W/"v1"'}, None),
            ({"etag": '""'}, None),
            ({"etag": '"'}, None),
            (DATES, DATES["last-modified"]),
            (DATES | {"date": "Fri, 29 May 2026 00:00:59 GMT"}, None),
            (DATES | {"date": "whenever"}, None),
            ({"last-modified": DATES["last-modified"]}, None),
            (DATES | {"etag": 'W/"v1"'}, None),
            (DATES | {"content-encoding": "gzip"}, None),
            ({}, None),
        ],
    )
    def test_only_strong_validators_are_used(self, headers: dict[str, str], validator: str | None) -> None:
        assert Representation.from_headers({"content-length": "10", **headers}).validator == validator

    @pytest.mark.parametrize(
        ("headers", "length"),
        [
            ({"content-length": "10"}, 10),
            ({"content-length": "10", "content-range": "bytes 5-14/99"}, 99),
            ({"content-length": "10", "content-range": "bytes 5-14/*"}, None),
            ({"content-length": "10", "content-encoding": "gzip"}, None),
            ({"content-length": "10", "transfer-encoding": "chunked"}, None),
            ({"content-length": "-10"}, None),
            ({"content-length": "\xb2"}, None),
            ({"content-length": "\u0663"}, None),
            ({"content-length": "9" * 5000}, None),
            ({"content-range": "bytes 0-9/9223372036854775808", "content-length": "10"}, 10),
            ({}, None),
        ],
    )
    def test_the_length_is_that_of_the_whole_file(self, headers: dict[str, str], length: int | None) -> None:
        assert Representation.from_headers(headers).length == length

    @given(
        st.dictionaries(
            st.sampled_from(["etag", "last-modified", "date", "content-length", "content-range", "content-encoding"]),
            st.text(max_size=30) | st.sampled_from(["0", "10", '"v"', "bytes 0-1/2", *DATES.values()]),
        )
    )
    def test_arbitrary_headers_do_not_raise(self, headers: dict[str, str]) -> None:
        version = Representation.from_headers(headers)
        assert version.is_resumable == (version.length is not None and version.validator is not None)


BY_TAG = Representation(length=100, validator='"v1"')


def head(status: int, headers: Mapping[str, str]) -> Head:
    return Head(status_code=status, headers=headers, received_at=datetime(2026, 5, 29, tzinfo=UTC))


class TestRangeMismatch:
    @pytest.mark.parametrize(
        ("status", "position", "headers", "problem"),
        [
            (206, 7, {"etag": '"v1"', "content-range": "bytes 7-99/100"}, ""),
            (206, 7, {"etag": '"v1"', "content-range": "bytes 7-50/100"}, ""),
            (206, 7, {"etag": '"v1"', "content-range": "bytes 8-99/100"}, "another part"),
            (206, 7, {"etag": '"v1"', "content-range": "bytes 0-99/100"}, "another part"),
            (206, 7, {"etag": '"v2"', "content-range": "bytes 7-99/100"}, "another file"),
            (206, 7, {"etag": '"v1"', "content-range": "bytes 7-100/101"}, "another file"),
            (206, 7, {"etag": '"v1"', "content-range": "bytes 7-99/*"}, "another file"),
            (206, 7, {"etag": '"v1"', "content-length": "93"}, "another file"),
            (206, 7, {"etag": '"v1"', "content-length": "100"}, "another part"),
            (200, 0, {"etag": '"v1"', "content-length": "100"}, ""),
            (200, 7, {"etag": '"v1"', "content-length": "100"}, "does not serve parts"),
            (200, 0, {"etag": '"v2"', "content-length": "100"}, "another file"),
            (200, 0, {"etag": '"v1"', "content-length": "99"}, "another file"),
            (200, 0, {"etag": '"v1"'}, "another file"),
            (416, 7, {"content-range": "bytes */5"}, "shorter now"),
        ],
    )
    def test_only_the_rest_of_the_same_representation_matches(
        self, status: int, position: int, headers: dict[str, str], problem: str
    ) -> None:
        found = range_mismatch(head(status, headers), position, BY_TAG)
        assert problem in found
        assert bool(problem) == bool(found)


DATES = {"last-modified": "Tue, 24 Nov 2026 03:00:00 GMT", "date": "Tue, 24 Nov 2026 04:00:00 GMT"}
BY_DATE = Representation(length=100, validator=DATES["last-modified"])


@pytest.mark.parametrize(
    ("headers", "matches"),
    [
        ({**DATES}, True),
        ({**DATES, "etag": '"v1"'}, True),
        ({**DATES, "etag": 'W/"v1"'}, False),
        ({**DATES, "etag": '"v1"', "last-modified": "Tue, 24 Nov 2026 03:00:01 GMT"}, False),
        ({**DATES, "etag": '"v1"', "date": "Tue, 24 Nov 2026 03:00:10 GMT"}, False),
        ({**DATES, "etag": '"v1"', "content-length": "99"}, False),
        ({**DATES, "etag": '"v1"', "content-encoding": "gzip"}, False),
        ({"etag": '"v1"'}, False),
    ],
    ids=str,
)
def test_a_date_still_matches_after_the_storage_has_added_a_tag(headers: dict[str, str], *, matches: bool) -> None:
    assert BY_DATE.matches({"content-length": "100", **headers}) is matches
    assert BY_TAG.matches({"content-length": "100", **DATES}) is False, "a tag does not match a date"
