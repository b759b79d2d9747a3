"""Keeping secrets out of sight: of `repr`, of tracebacks, and of what other libraries log about our requests."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn, final

# The loggers of httpx, httpcore and what HTTP/2 takes that print URLs or headers (INFO and DEBUG).
_TALKATIVE = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
)
# Apostrophes are legal in URLs, and some signers leave them unescaped: better too much redacted than too little.
# What is redacted already keeps the punctuation behind it, so that blanking twice is as good as once.
_QUERY = re.compile(r"\?(?:\*{3}(?=[:;,.)]?(?:\s|$))|[^\s\"<>]+)")
_AUTHORITY = re.compile(r"//[^\s\"<>?]+")
# What would steer a terminal, or what no file or stream takes: half of a surrogate pair, which JSON can spell.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_IN_BRIEF = 1000
_CONFIDENTIAL = re.compile(
    r"""(b'(?:location|authorization)', )b(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.IGNORECASE
)

_ours: ContextVar[bool] = ContextVar("impact_jobs_request", default=False)


@final
class Secret:
    """A text that shows itself only when asked: `repr`, `str` and pickle never hold it."""

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str, *, shown: str = "***") -> None:
        self._text = text
        self._shown = shown

    def reveal(self) -> str:
        """The text itself; keep it out of variables."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled; create the client anew in the other process")


def secret_url(url: str) -> Secret:
    """`url` as a secret that shows itself without its query, which may be signed."""
    path, mark, _ = url.partition("?")  # to its end, for a sloppy server's query may hold blanks and quotes
    return Secret(url, shown=shorten(path) + ("?***" if mark else ""))


def redact(text: str) -> str:
    """`text` with the query of every URL, and any user name and password in one, redacted; control characters too."""
    return _AUTHORITY.sub(_without_userinfo, _QUERY.sub("?***", _UNPRINTABLE.sub("\ufffd", text)))


def shorten(text: str) -> str:
    """`redact(text)`, cut to what a message can hold."""
    shown = redact(text)
    return shown if len(shown) <= _LONGEST_IN_BRIEF else f"{shown[:_LONGEST_IN_BRIEF]}…"


def _without_userinfo(match: re.Match[str]) -> str:
    # To the last @, for a password may hold others. (A pattern that looks for it takes quadratic time.)
    _, at, rest = match[0].rpartition("@")
    return f"//***@{rest}" if at else rest


class _QueryFilter(logging.Filter):
    """Blanks queries in records that were logged while one of our requests was under way, and in no others."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _ours.get():
            shown = _CONFIDENTIAL.sub(r"\1b'***'", record.getMessage())
            record.msg, record.args = redact(shown), ()
        return True


_filter = _QueryFilter()


@contextmanager
def redact_http_logs() -> Iterator[None]:
    """Within: httpx and httpcore log our requests, and the `Location` they receive, without queries.

    httpx prints full URLs at INFO and httpcore full response headers at DEBUG, and neither can be told not to.
    The filter is added once a logger (adding is idempotent) and looks at nothing outside this context.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_filter)
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)
