"""Check the filters of an export against the report's metadata, and write their values as the API takes them."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from impact_jobs._dates import parse_bound
from impact_jobs._redaction import shorten
from impact_jobs._validators import closest, plain_number, shown
from impact_jobs.errors import ConfigurationError
from impact_jobs.report_models import DataType, ReportFilter, ReportMetadata

DATE_PARAMETERS: dict[str, str] = {"startdate": "start_date", "enddate": "end_date"}
"""Our arguments for the range of an export, by what `_letters` leaves of the names of the filters."""

# Every report of an agency takes it, whether its metadata lists it or not.
_PROGRAM = ReportFilter(name="SUBAID", parameter="SUBAID", data_type=DataType.STRING)
_PROGRAM_NAMES = frozenset({"campaign", "campaignid", "program", "programid"})  # because nobody guesses "SUBAID"
_MAX_DIGITS = 40
_MAX_TEXT = 2000
_MAX_SHOWN_NAMES = 12
_MAX_EXACT_FLOAT = 2**53
_PATTERN = re.compile(r"'([^']*)'|([A-Za-z])\2*|.", re.DOTALL)
_BOOLEANS = {"true": "true", "false": "false"}


def split_dates(filters: object) -> tuple[dict[str, object], dict[str, object]]:
    """Return the filters that state the range, by our argument's name, and the other ones."""
    if filters is None:
        return {}, {}
    if not isinstance(filters, Mapping):
        raise ConfigurationError(f"filters={shown(filters)}: give a mapping from each filter's name to its value.")
    dates: dict[str, object] = {}
    others: dict[str, object] = {}
    for name, value in filters.items():
        if not isinstance(name, str):
            raise ConfigurationError(f"filters: the name {shown(name)} is not text.")
        letters = _letters(name)
        if letters == "resultformat":
            raise ConfigurationError(f"filters: {name!r} is not a filter: pass result_format instead.")
        argument = DATE_PARAMETERS.get(letters)
        if argument in dates:
            raise ConfigurationError(f"filters: {argument} is given twice: give it once, as the argument {argument}.")
        if argument is None:
            others[name] = value
        else:
            dates[argument] = value
    return dates, others


def check_filters(
    filters: Mapping[str, object], metadata: ReportMetadata, *, takes_program: bool = True
) -> dict[str, str]:
    """Return the values of a report's filters as text, by parameter, in the order of the parameters."""
    known = list(metadata.filters)
    if takes_program and all(each.parameter != _PROGRAM.parameter for each in known):
        known.append(_PROGRAM)
    names: dict[str, str] = {}
    found: dict[str, str] = {}
    for name, value in filters.items():
        wanted = _find(name, known, metadata.id)
        if wanted.parameter in found:
            first = names[wanted.parameter]
            raise ConfigurationError(f"filters: {first!r} and {name!r} are the same filter: give it once.")
        names[wanted.parameter] = name
        found[wanted.parameter] = _text_of(name, value, wanted)
    return dict(sorted(found.items()))


def _letters(name: str) -> str:
    """Return what "Start Date", "START_DATE" and "StartDate" have in common."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _find(name: str, known: list[ReportFilter], report_id: str) -> ReportFilter:
    asked = _letters(name)
    exact = [each for each in known if name.strip() in {each.name, each.parameter}]
    found = exact or [each for each in known if asked and asked in {_letters(each.name), _letters(each.parameter)}]
    if not found and asked in _PROGRAM_NAMES:
        found = [each for each in known if each.parameter == _PROGRAM.parameter]
    parameters = {each.parameter: each for each in found}
    if len(parameters) == 1:
        return next(iter(parameters.values()))
    if parameters:
        raise ConfigurationError(f"filters: {name!r} may be {_listed(parameters)}: give one of these names.")
    names = {text: each for each in known for text in (each.name, each.parameter)}
    close = closest(name, names)
    hint = f"Did you mean {_both_names(names[close])}? " if close else ""
    taken = _listed(each.name for each in known) or "none"
    raise ConfigurationError(f"filters: report {report_id} has no filter {shorten(name)!r}. {hint}It takes {taken}.")


def _both_names(one: ReportFilter) -> str:
    return repr(one.name) if one.name == one.parameter else f"{one.name!r} ({one.parameter})"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MAX_SHOWN_NAMES} more" if len(every) > _MAX_SHOWN_NAMES else ""
    return ", ".join(map(repr, every[:_MAX_SHOWN_NAMES])) + more


def _text_of(name: str, value: object, wanted: ReportFilter) -> str:
    if value is None:
        raise ConfigurationError(f"filter {name!r} is None: leave it out, or give a value.")
    convert = _CONVERTERS.get(wanted.data_type, _any)
    text = convert(name, value, wanted)
    if len(text) > _MAX_TEXT:
        raise ConfigurationError(f"filter {name!r} has {len(text)} characters: give at most {_MAX_TEXT}.")
    return text


def _refuse(name: str, value: object, expected: str) -> NoReturn:
    raise ConfigurationError(f"filter {name!r}={shown(value)}: give {expected}.")


def _boolean(name: str, value: object, _: ReportFilter) -> str:
    is_of_numpy = not hasattr(value, "__len__") and str(getattr(value, "dtype", "")) == "bool"
    if isinstance(value, bool) or is_of_numpy:
        return str(bool(value)).lower()
    text = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
    return text or _refuse(name, value, "True or False")


def _date(name: str, value: object, wanted: ReportFilter) -> str:
    try:
        moment = parse_bound(f"filter {name!r}", value)  # type: ignore[arg-type]  # it checks the type
    except OverflowError:
        moment = None
    if moment is None:
        _refuse(name, value, "a date, a datetime, or text such as '2026-05-29'")
    text = _formatted(moment, wanted.format or "yyyy-MM-dd")
    if text is None:
        expected = f"text in the form {wanted.format}, because this client cannot write that form itself"
        return _string(name, value, wanted) if isinstance(value, str) else _refuse(name, value, expected)
    has_time = "H" in (wanted.format or "")
    if has_time and isinstance(moment, datetime) and moment.microsecond:
        _refuse(name, value, "a time in whole seconds, because the API refuses fractions")
    return text


def _formatted(moment: date, pattern: str) -> str | None:
    """Write a date in a pattern of Java's, in UTC at midnight if it has no time; None for a pattern unknown here."""
    full = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    offset = full.utcoffset() or timedelta()
    zone = "Z" if not offset else f"{full:%z}"[:3] + ":" + f"{full:%z}"[3:5]
    parts = {
        "yyyy": f"{full.year:04}", "MM": f"{full.month:02}", "dd": f"{full.day:02}", "HH": f"{full.hour:02}",
        "mm": f"{full.minute:02}", "ss": f"{full.second:02}", "Z": zone, "ZZ": zone, "XXX": zone,
    }  # fmt: skip
    written = []
    for match in _PATTERN.finditer(pattern):
        if match[1] is not None:
            written.append(match[1] or "'")
        elif match[2] is None:
            written.append(match[0])
        elif match[0] in parts:
            written.append(parts[match[0]])
        else:
            return None
    return "".join(written)


def _decimal(name: str, value: object, _: ReportFilter) -> str:
    number = _number(value)
    return _plain(number) if number is not None else _refuse(name, value, "a number, such as Decimal('9.99')")


def _integer(name: str, value: object, _: ReportFilter) -> str:
    number = _number(value)
    is_exact = not isinstance(value, float) or abs(value) <= _MAX_EXACT_FLOAT
    if number is None or number != int(number) or not is_exact:
        _refuse(name, value, "a whole number")
    return str(int(number))


def _number(value: object) -> Decimal | None:
    """Return a finite number of any type, or one in text, exactly; None for anything else, and for excessive ones."""
    number: Decimal | None = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str) or (isinstance(value, numbers.Real) and plain_number(value) is not None):
        with suppress(InvalidOperation, ValueError):  # ValueError for an int with too many digits
            # The shortest text of a float is what its user wrote; its exact value has some 50 digits.
            number = Decimal(str(value).strip().replace("_", " "))
    if number is None or not number.is_finite():
        return None
    digits, exponent = number.as_tuple()[1:]
    is_excessive = isinstance(exponent, int) and max(abs(exponent), len(digits) + max(exponent, 0)) > _MAX_DIGITS
    return None if is_excessive else number


def _plain(number: Decimal) -> str:
    return format(number or number.copy_abs(), "f")


def _string(name: str, value: object, _: ReportFilter) -> str:
    if isinstance(value, str):
        if not value.strip():
            _refuse(name, value, "text that is not empty, or leave it out")
        if not value.isprintable():
            _refuse(name, value, "text without control characters")
        return str.__str__(value)
    number = None if isinstance(value, float) else _number(value)
    return _plain(number) if number is not None else _refuse(name, value, "text")


def _any(name: str, value: object, wanted: ReportFilter) -> str:
    """Write a value of a type that is newer than this release."""
    if isinstance(value, bool):
        return _boolean(name, value, wanted)
    if isinstance(value, date) or getattr(getattr(value, "dtype", None), "kind", "") == "M":
        return _date(name, value, wanted)
    number = _number(value) if isinstance(value, numbers.Real | Decimal) else None
    return _plain(number) if number is not None else _string(name, value, wanted)


_CONVERTERS: dict[str, Callable[[str, object, ReportFilter], str]] = {
    DataType.BOOLEAN: _boolean,
    DataType.DATE: _date,
    DataType.DECIMAL: _decimal,
    DataType.INTEGER: _integer,
    DataType.STRING: _string,
}
