"""The conversion of one column of text to its type, exactly or not at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from impact_jobs._tables.arrow import arrow_functions
from impact_jobs._tables.schema import DECIMAL_DIGITS, DECIMAL_PLACES

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGER_DIGITS = DECIMAL_DIGITS - DECIMAL_PLACES
_DECIMAL = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,18}))?")
_DIGITS = b"-0123456789"
_DAY = r"^(\d{4}-\d\d-\d\d)$"
_MOMENT_WITHOUT_OFFSET = r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?)$"
_AFTER_HOUR = 13  # characters of "2026-05-29T04"


class MisfitError(ValueError):
    """A value that does not fit the type of its column."""

    def __init__(self, index: int, value: str) -> None:
        super().__init__(index, value)
        self.index = index
        self.value = value


def convert(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """Return a column of text as one of another type, in which "" is null.

    Spaces around a value are ignored, and a moment without an offset is in UTC.

    Raises:
        MisfitError: A value does not fit; the error names the first one.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    if target == pa.string():
        return texts
    try:
        return _cast(texts, target)
    except ValueError:  # among them pyarrow's ArrowInvalid
        normalized = _normalized(texts, target)
    try:
        return _cast(normalized, target)
    except ValueError:
        index = _first_misfit(normalized, target)
    raise MisfitError(index, texts[index].as_py())


def _cast(texts: pa.Array, target: pa.DataType) -> pa.Array:
    """Return values of another type, or raise ValueError if Arrow refuses one, or would accept too much."""
    from pyarrow import types  # noqa: PLC0415 - an extra, and slow to load

    compute = arrow_functions()

    if compute.min(compute.binary_length(texts)).as_py() == 0:
        texts = compute.if_else(compute.equal(texts, ""), None, texts)
    if types.is_decimal(target):
        texts = _as_plain_decimals(texts)
    elif types.is_integer(target) and _has_others_than(_DIGITS, texts):  # Arrow reads 0x10 as 16
        raise ValueError
    values = compute.cast(texts, target)
    if types.is_timestamp(target):
        _check_moments(texts, values)
    return values


def _as_plain_decimals(texts: pa.Array) -> pa.Array:
    """Return decimals that Arrow converts exactly or refuses.

    From large values and small exponents it makes other numbers, and some exponents crash it.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    compute = arrow_functions()

    point, length = compute.find_substring(texts, "."), compute.binary_length(texts)
    digits = compute.if_else(compute.equal(point, -1), length, point)
    if (
        (compute.max(digits).as_py() or 0) <= _INTEGER_DIGITS
        and (compute.max(length).as_py() or 0) <= DECIMAL_DIGITS
        and not _has_others_than(_DIGITS + b".", texts)
    ):
        return texts
    return pa.array([None if text is None else _plain_decimal(text) for text in texts.to_pylist()], pa.string())


def _plain_decimal(text: str) -> str:
    """Return a decimal without an exponent, without leading zeros and those at its end, or raise ValueError."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(text)
    sign, whole, fraction, exponent = found.groups()
    digits = (whole + fraction).rstrip("0")
    places = len(whole + fraction) - len(digits)  # dropped
    digits = digits.lstrip("0")
    if not digits:
        return "0"
    shift = int(exponent or 0) - len(fraction) + places  # the value is digits * 10 ** shift
    if shift < -DECIMAL_PLACES or len(digits) + shift > _INTEGER_DIGITS:
        raise ValueError(text)
    if shift >= 0:
        return f"{sign}{digits}{'0' * shift}"
    digits = digits.zfill(-shift + 1)
    return f"{sign}{digits[:shift]}.{digits[shift:]}"


def _check_moments(texts: pa.Array, values: pa.Array) -> None:
    """Raise ValueError if a time has hours alone, or if Python has no datetime for a moment."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    compute = arrow_functions()

    after_hour = compute.binary_slice(texts.cast(pa.binary()), _AFTER_HOUR, _AFTER_HOUR + 1)
    has_minutes = compute.all(compute.equal(after_hour, b":")).as_py()
    bounds = compute.min_max(values.cast(pa.int64()))
    earliest, latest = (
        pa.scalar(moment, values.type).value
        for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    )
    if has_minutes is False or (
        bounds["min"].is_valid and not earliest <= bounds["min"].as_py() <= bounds["max"].as_py() <= latest
    ):
        raise ValueError


def _has_others_than(allowed: bytes, texts: pa.Array) -> bool:
    """Return whether a value has another byte; all values of an array are in one buffer, one after another."""
    _, offsets, characters = texts.buffers()
    if not len(texts) or characters is None:
        return False
    ends = memoryview(offsets).cast("i")
    first, last = ends[texts.offset], ends[texts.offset + len(texts)]
    return bool(bytes(characters[first:last]).translate(None, allowed))


def _normalized(texts: pa.Array, target: pa.DataType) -> pa.Array:
    from pyarrow import types  # noqa: PLC0415 - an extra, and slow to load

    compute = arrow_functions()

    texts = compute.utf8_trim_whitespace(texts)
    if types.is_timestamp(target):
        texts = compute.replace_substring_regex(texts, _DAY, r"\1T00:00:00Z")
        texts = compute.replace_substring_regex(texts, _MOMENT_WITHOUT_OFFSET, r"\1Z")
    return texts


def _first_misfit(texts: pa.Array, target: pa.DataType) -> int:
    start, stop = 0, len(texts)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            _cast(texts[start:middle], target)
        except ValueError:
            stop = middle
        else:
            start = middle
    return start
