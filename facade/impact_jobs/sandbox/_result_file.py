"""Result files of any size that are never stored: every byte follows from a seed and its position."""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Iterator
from datetime import date
from typing import Final

from attrs import field, frozen, validators

from impact_jobs.sandbox._numbers import whole
from impact_jobs.sandbox._result import sha256_of

_COLUMNS: Final = (
    "Action_Id", "Action_Date", "Campaign_Id", "Campaign", "Status",
    "Sale_Amount", "Payout", "Currency", "Click_Id", "Note",
)  # fmt: skip
# Some names contain a comma, quotation marks or letters beyond ASCII, so that a reader that splits at commas or counts
# characters instead of bytes fails here rather than in production.
_CAMPAIGNS: Final = (
    "Acme Shoes", "Northwind Travel", '"Harbor & Pine, Ltd"', "Café Lumière", '"The ""Blue"" Door"',
    "Globex", "Initech Software", "Umbra Home",
)  # fmt: skip
_STATUSES: Final = ("APPROVED", "PENDING", "REVERSED", "APPROVED")
_CURRENCIES: Final = ("USD", "EUR", "GBP", "USD")
_WORDS: Final = ("spring", "newsletter", "banner", "partner", "deal", "video", "social", "search")

_HEADER: Final = (",".join(_COLUMNS) + "\n").encode()
_ROW: Final = 128
_ROWS_IN_BLOCK: Final = 2048
_BLOCK: Final = _ROW * _ROWS_IN_BLOCK  # 256 KiB, the fastest size of a write to a loopback socket
_DIGITS: Final = 8  # of a block's number, which is part of each row's Action_Id
_DIGITS_AT: Final = len("1000.")
MAX_SIZE: Final = 10**_DIGITS * _BLOCK
_PAD: Final = b"."
_ZERO: Final = ord("0")
_ENTROPY: Final = struct.Struct(">6BH4sB3x")  # of one row


@frozen
class ResultFile:
    """A CSV file of exactly ``size`` bytes, generated on demand. Equal arguments give equal files, on every machine.

    The first line names the columns. All rows have the same width, so any byte can be generated without the bytes
    before it. Padding in the last field makes up the size, so the file is valid CSV to its end. A file that is smaller
    than the header is the beginning of the header.

    Args:
        seed: Decides the contents; different seeds give different files.
        size: The length in bytes, from 0 to about 26 terabytes.

    Raises:
        ValueError: The size is negative or too large.

    Example:
        >>> report = ResultFile(seed=7, size=1_000_000)
        >>> sum(len(chunk) for chunk in report.read())
        1000000
        >>> b"".join(report.read(0, 21))
        b'Action_Id,Action_Date'
    """

    seed: int = field(converter=whole)
    size: int = field(converter=whole, validator=[validators.ge(0), validators.le(MAX_SIZE)])

    @property
    def rows(self) -> int:
        """The number of rows after the header."""
        return max(0, self.size - len(_HEADER)) // _ROW

    @property
    def etag(self) -> str:
        """A strong entity tag, with its quotation marks; computed without generating the file."""
        digest = hashlib.sha256(f"result-file/1/{self.seed}/{self.size}".encode()).hexdigest()
        return f'"{digest[:32]}"'

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file in hex. The first time takes about a second for each gigabyte."""
        return sha256_of(self)

    @property
    def extension(self) -> str:
        """The ending of its file name."""
        return "csv"

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return 1

    def page(self, number: int) -> ResultFile:  # noqa: ARG002 - it has one page
        """Return the file itself.

        Args:
            number: The number of the page.

        Returns:
            This file.

        Example:
            >>> ResultFile(seed=7, size=1_000).page(1)
            ResultFile(seed=7, size=1000)
        """
        return self

    def replayed(self, seed: int, *, as_of: date) -> ResultFile:  # noqa: ARG002 - its contents have no date
        """Return the result of a replay.

        Args:
            seed: Decides its contents.
            as_of: The day of the replay.

        Returns:
            A file of the same size.

        Example:
            >>> from datetime import date
            >>> ResultFile(seed=7, size=1_000).replayed(8, as_of=date(2026, 5, 1))
            ResultFile(seed=8, size=1000)
        """
        return ResultFile(seed, self.size)

    def changed(self, *, size: int | None, seed: int | None) -> ResultFile:
        """Return a file with another size or seed.

        Args:
            size: Its length in bytes; None to keep this one's.
            seed: Decides its contents; None to keep this one's.

        Returns:
            The other file.

        Raises:
            ValueError: The size is negative or too large.

        Example:
            >>> ResultFile(seed=7, size=1_000).changed(size=2_000, seed=None)
            ResultFile(seed=7, size=2000)
        """
        return ResultFile(self.seed if seed is None else seed, self.size if size is None else size)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Generate the bytes from ``start`` up to, but not including, ``stop``.

        Args:
            start: The position of the first byte.
            stop: The position after the last byte; None, or one beyond the end, means the end.

        Returns:
            An iterator of chunks of at most 256 KiB, none of which is empty.

        Raises:
            ValueError: A position is negative.

        Example:
            >>> file = ResultFile(seed=1, size=5_000)
            >>> whole = b"".join(file.read())
            >>> b"".join(file.read(4_000, 4_100)) == whole[4_000:4_100]
            True
        """
        stop = self.size if stop is None else stop
        if start < 0 or stop < 0:
            raise ValueError(f"positions in a file must not be negative: start={start}, stop={stop}")
        return self._chunks(start, min(stop, self.size))

    def _chunks(self, start: int, stop: int) -> Iterator[bytes]:
        unpadded, position = self._unpadded_size, start
        while position < min(stop, unpadded):
            chunk = self._rest_of_block(position)[: min(stop, unpadded) - position]
            yield chunk
            position += len(chunk)
        if position < stop:
            padding = _PAD * (self.size - unpadded - 1) + b"\n"
            yield padding[position - unpadded : stop - unpadded]

    @property
    def _unpadded_size(self) -> int:
        """The number of bytes before the padding of the last line."""
        if self.size < len(_HEADER):
            return self.size
        surplus = (self.size - len(_HEADER)) % _ROW
        return self.size - surplus - 1 if surplus else self.size

    def _rest_of_block(self, position: int) -> bytes:
        """Return the unpadded bytes from a position to the end of its block."""
        if position < len(_HEADER):
            return _HEADER[position:]
        number, offset = divmod(position - len(_HEADER), _BLOCK)
        # A small file needs only its own rows, and generating them takes most of the time of a small download.
        return _block(self.seed, number, min(self.rows, _ROWS_IN_BLOCK))[offset:]


def _block(seed: int, number: int, rows: int) -> bytes:
    block = bytearray(_template(seed, rows))
    for index, digit in enumerate(b"%0*d" % (_DIGITS, number)):
        if digit != _ZERO:
            # One digit of all rows at once, by stride, which is about five times as fast as bytes.replace.
            block[_DIGITS_AT + index :: _ROW] = bytes((digit,)) * rows
    return bytes(block)


@functools.lru_cache(maxsize=32)
def _template(seed: int, rows: int) -> bytes:
    """Return the first rows of block number 0; the other blocks differ from it only in their action ids."""
    # Not `random`, because its results may change with the Python version, and every known checksum with them.
    entropy = hashlib.shake_256(f"rows/{seed}".encode()).digest(_ENTROPY.size * rows)
    # Formatting bytes, with the fixed parts ready, takes a quarter of the time that joining the text of fields takes.
    campaigns = [f"{10_000 + number},{_CAMPAIGNS[number % len(_CAMPAIGNS)]}".encode() for number in range(256)]
    statuses, currencies = [name.encode() for name in _STATUSES], [name.encode() for name in _CURRENCIES]
    texts = ["-".join(_WORDS[(first + step) % 8] for step in range(8)).encode() for first in range(8)]
    lines = []
    for number, values in enumerate(_ENTROPY.iter_unpack(entropy)):
        day, hour, minute, second, campaign, kind, amount, click, first = values
        cents = amount + 100
        start = (
            b"1000.%0*d.%04d,2026-05-%02dT%02d:%02d:%02d-05:00,%b,%b,%d.%02d,%d.%02d,%b,%b,"
            % (_DIGITS, 0, number, day % 28 + 1, hour % 24, minute % 60, second % 60, campaigns[campaign],
               statuses[kind % 4], cents // 100, cents % 100, cents // 1000, cents // 10 % 100,
               currencies[kind // 4 % 4], click.hex().encode())
        )  # fmt: skip
        lines.append(start + texts[first % 8][: _ROW - len(start) - 1])  # the words always fill the line
    return b"\n".join((*lines, b""))
