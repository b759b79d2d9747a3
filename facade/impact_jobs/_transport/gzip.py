"""Decode gzip in bounded pieces: a kilobyte of it can hold a megabyte, and httpx would inflate all of it at once."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from impact_jobs._transport.base import Head, Request
from impact_jobs._transport.headers import content_codings
from impact_jobs.errors import TransportError, UnexpectedResponseError

ACCEPTED = "gzip"

_PIECE_BYTES = 256 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class GzipDecoder:
    """Inflates gzip, at most 256 KiB a piece. Unsupported codings are an error only if there is a body.

    Decoding raises UnexpectedResponseError for two codings or another one than gzip, and TransportError if the body is
    not gzip or ends too early.
    """

    def __init__(self, codings: list[str], head: Head, request: Request) -> None:
        self._codings = codings
        self._status_code = head.status_code
        self._where = f"{request.method} {request.url}"
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._has_begun = False

    @classmethod
    def for_response(cls, head: Head, request: Request) -> GzipDecoder | None:
        """Return a decoder for the body, or None if the body is not encoded."""
        codings = content_codings(head.headers)
        return cls(codings, head, request) if codings else None

    def decode(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the decoded pieces of a body."""
        for chunk in chunks:
            yield from self._inflate(chunk)
        self._check_end()

    async def decode_async(self, chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """Yield the decoded pieces of a body that arrives asynchronously."""
        async with aclosing(chunks):
            async for chunk in chunks:
                for piece in self._inflate(chunk):
                    yield piece
        self._check_end()

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        if data and self._codings != ["gzip"]:
            raise UnexpectedResponseError(
                f"{self._where}: HTTP {self._status_code}, but the body is encoded as "
                f"'{', '.join(self._codings[:3])}', which was not asked for. Check base_url and any proxy between.",
                status_code=self._status_code,
            )
        self._has_begun = self._has_begun or bool(data)
        may_hold_more = False
        try:
            while data or may_hold_more:
                if self._member.eof:  # several members in a row are one file, as for the gzip command
                    self._member = zlib.decompressobj(_GZIP_WINDOW)
                piece = self._member.decompress(data, _PIECE_BYTES)
                data = self._member.unconsumed_tail or self._member.unused_data
                may_hold_more = len(piece) == _PIECE_BYTES and not self._member.eof
                if piece:
                    yield piece
        except zlib.error:
            raise TransportError(
                f"{self._where}: the body is not gzip, although Content-Encoding says so. "
                "Check any proxy, then try again."
            ) from None

    def _check_end(self) -> None:
        if self._has_begun and not self._member.eof:
            raise TransportError(f"{self._where}: the gzip data of the body broke off. Try again.")
