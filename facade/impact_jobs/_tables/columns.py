"""The conversion of one column of text to its type, exactly or not at all."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from impact_jobs._tables.schema import DECIMAL_DIGITS, DECIMAL_PLACES

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGER_DIGITS = DECIMAL_DIGITS - DECIMAL_PLACES
_TOO_LARGE = Decimal(10) ** _INTEGER_DIGITS
_DAY = r"^(\d{4}-\d\d-\d\d)$"
_MOMENT_WITHOUT_OFFSET = r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?)$"


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
        texts = _normalized(texts, target)
    try:
        return _cast(texts, target)
    except ValueError:
        index = _first_misfit(texts, target)
    raise MisfitError(index, texts[index].as_py())


def _cast(texts: pa.Array, target: pa.DataType) -> pa.Array:
    from pyarrow import compute, types  # noqa: PLC0415 - an extra, and slow to load

    if compute.min(compute.binary_length(texts)).as_py() == 0:
        texts = compute.if_else(compute.equal(texts, ""), None, texts)
    if types.is_decimal(target):
        _check_size(texts)
    return compute.cast(texts, target)


def _check_size(texts: pa.Array) -> None:
    """Raise ValueError if a number is too large for a decimal, because Arrow does not notice some that overflow."""
    from pyarrow import compute  # noqa: PLC0415 - an extra, and slow to load

    point = compute.find_substring(texts, ".")
    digits = compute.if_else(compute.equal(point, -1), compute.binary_length(texts), point)
    characters = bytes(texts.buffers()[2] or b"")  # of all values, one after another
    if (compute.max(digits).as_py() or 0) <= _INTEGER_DIGITS and b"e" not in characters and b"E" not in characters:
        return
    for text in texts.to_pylist():
        with suppress(InvalidOperation):  # which the cast refuses, too
            if text is not None and Decimal(text).copy_abs() >= _TOO_LARGE:
                raise ValueError(text)


def _normalized(texts: pa.Array, target: pa.DataType) -> pa.Array:
    from pyarrow import compute, types  # noqa: PLC0415 - an extra, and slow to load

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
