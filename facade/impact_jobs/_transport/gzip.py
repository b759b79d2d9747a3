"""Undoing a `Content-Encoding` bit by bit: a kilobyte of gzip can hold a megabyte, and httpx inflates all it gets."""

from __future__ import annotations

import zlib

from impact_jobs._transport.base import Head, Request
from impact_jobs.errors import TransportError, UnexpectedResponseError

ACCEPTED = "gzip"

_PIECE_BYTES = 256 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP = frozenset({"gzip", "x-gzip"})
# What else changes the bytes. Any other name, such as "identity", "utf-8" or "aws-chunked", is a server's slip.
_OTHERS = frozenset({"br", "compress", "dcb", "dcz", "deflate", "exi", "pack200-gzip", "x-compress", "zstd"})


class Decoder:
    """Inflates gzip in pieces of a bounded size, however much of it arrives at once.

    Made by `of`. One that cannot decode the body says so when there is one: redirects have none.
    """

    def __init__(self, codings: list[str], head: Head, request: Request) -> None:
        self._codings = codings
        self._head = head
        self._where = f"{request.method} {request.url}"
        self._inflating = zlib.decompressobj(_GZIP_WINDOW)
        self._waiting = b""
        self._may_hold = False
        self._is_begun = False

    @classmethod
    def of(cls, head: Head, request: Request) -> Decoder | None:
        """What decodes the body; None for one that is not encoded."""
        names = [name.strip().lower() for name in head.headers.get("content-encoding", "").split(",")]
        codings = [name for name in names if name in _GZIP | _OTHERS]
        return cls(codings, head, request) if codings else None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the encoded body; b"" is its end.

        Raises:
            UnexpectedResponseError: It is encoded otherwise than by gzip, or more than once.
            TransportError: It ended too early.
        """
        if data and (len(self._codings) > 1 or self._codings[0] not in _GZIP):
            raise UnexpectedResponseError(
                f"{self._where}: HTTP {self._head.status_code}, but the body is encoded as "
                f"'{', '.join(self._codings[:3])}', which was not asked for. Check base_url and any proxy between.",
                status_code=self._head.status_code,
            )
        self._is_begun = self._is_begun or bool(data)
        if not data and self._is_begun and not self._inflating.eof:
            raise TransportError(f"{self._where}: the gzip of the body broke off. Try again.")
        self._waiting += data

    def piece(self) -> bytes:
        """The next decoded bytes; b"" when none are left until more is fed.

        Raises:
            TransportError: They are no gzip.
        """
        try:
            while self._waiting or self._may_hold:
                if self._inflating.eof:  # several files in a row are one, as they are to gzip itself
                    self._inflating = zlib.decompressobj(_GZIP_WINDOW)
                piece = self._inflating.decompress(self._waiting, _PIECE_BYTES)
                self._waiting = self._inflating.unconsumed_tail or self._inflating.unused_data
                self._may_hold = len(piece) == _PIECE_BYTES and not self._inflating.eof
                if piece:
                    return piece
        except zlib.error:
            raise TransportError(
                f"{self._where}: the body is no gzip, though it is said to be. Check any proxy, then try again."
            ) from None
        return b""
