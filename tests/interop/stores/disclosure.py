"""The secrets in a signed link, and the texts that must not contain them."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterable
from logging import LogRecord

import httpx

SIGNATURES = frozenset({"sig", "temp_url_sig", "X-Amz-Signature"})


def secrets_of(link: str) -> list[str]:
    """Return the query of a link, and the signature in it."""
    query = httpx.URL(link).query.decode()
    return [query, *(value for name, value in httpx.QueryParams(query).items() if name in SIGNATURES)]


def everything_in(error: BaseException) -> str:
    formatted = "".join(traceback.format_exception(error))
    return f"{formatted} {error!r} {vars(error)} {pickle.dumps(error)!r}"


def everything_logged(records: Iterable[LogRecord]) -> str:
    return "\n".join(f"{record.getMessage()} {vars(record)}" for record in records)
