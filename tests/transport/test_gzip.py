from __future__ import annotations

import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import TransportError
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Head, Request
from impact_jobs._transport.gzip import GzipDecoder

from tests.support.simulated import EPOCH

REQUEST = Request(method="GET", url=secret_url("https://api.impact.com/"), timeout=1.0)


def decoder_for(coding: str) -> GzipDecoder | None:
    head = Head(status_code=200, headers={"content-encoding": coding}, received_at=EPOCH)
    return GzipDecoder.for_response(head, REQUEST)


def decode(pieces: list[bytes]) -> list[bytes]:
    decoder = decoder_for("gzip")
    assert decoder is not None
    return list(decoder.decode(iter(pieces)))


@given(st.lists(st.binary(max_size=100)), st.integers(1, 60))
def test_concatenated_members_are_one_file_wherever_they_are_cut(members: list[bytes], size: int) -> None:
    packed = b"".join(map(gzip.compress, members))
    assert b"".join(decode([packed[at : at + size] for at in range(0, len(packed), size)])) == b"".join(members)


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 524_288, 5_000_000])
def test_no_piece_is_large_and_no_byte_is_lost(size: int) -> None:
    pieces = decode([gzip.compress(bytes(size))])
    assert sum(map(len, pieces)) == size
    assert all(len(piece) <= 262_144 for piece in pieces)


@given(st.binary(), st.integers(0, 30))
def test_anything_but_gzip_is_a_transport_error(data: bytes, kept: int) -> None:
    for body in (data, gzip.compress(data)[:kept]):
        with suppress(TransportError):
            decode([body])


def test_codings_that_change_no_byte_need_no_decoder() -> None:
    for coding in ("", "identity", "utf-8", "aws-chunked", ",,", "none"):
        assert decoder_for(coding) is None, coding
