from __future__ import annotations

import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import TransportError
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Head, Request
from impact_jobs._transport.gzip import Decoder

from tests.support.simulated import EPOCH

REQUEST = Request(method="GET", url=secret_url("https://api.impact.com/"), timeout=1.0)


def decoder(coding: str = "gzip") -> Decoder:
    head = Head(status_code=200, headers={"content-encoding": coding}, received_at=EPOCH)
    found = Decoder.of(head, REQUEST)
    assert found is not None
    return found


def decoded(pieces: list[bytes]) -> list[bytes]:
    decoding, found = decoder(), []
    for piece in [*pieces, b""]:
        decoding.feed(piece)
        while data := decoding.piece():
            found.append(data)
    return found


@given(st.lists(st.binary(max_size=100)), st.integers(1, 60))
def test_files_in_a_row_are_one_however_they_are_cut(files: list[bytes], size: int) -> None:
    packed = b"".join(map(gzip.compress, files))
    assert b"".join(decoded([packed[at : at + size] for at in range(0, len(packed), size)])) == b"".join(files)


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 524_288, 5_000_000])
def test_no_piece_is_large_and_none_is_lost(size: int) -> None:
    pieces = decoded([gzip.compress(bytes(size))])
    assert sum(map(len, pieces)) == size
    assert all(len(piece) <= 262_144 for piece in pieces)


@given(st.binary(), st.integers(0, 30))
def test_anything_else_is_a_broken_answer(data: bytes, kept: int) -> None:
    for body in (data, gzip.compress(data)[:kept]):
        with suppress(TransportError):
            decoded([body])


@pytest.mark.parametrize("coding", ["", "identity", "utf-8", "aws-chunked", ",,", "none"])
def test_what_changes_no_byte_needs_no_decoder(coding: str) -> None:
    assert Decoder.of(Head(status_code=200, headers={"content-encoding": coding}, received_at=EPOCH), REQUEST) is None
