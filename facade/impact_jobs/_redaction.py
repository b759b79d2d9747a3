"""Keep secrets out of `repr`, tracebacks, messages, and the log records of httpx and httpcore."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NoReturn, final

# The loggers that print URLs (at INFO) or headers (at DEBUG).
_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
)
# A query may contain apostrophes, because some signers do not escape them. Punctuation after "?***" is not part of the
# query, so that redacting twice changes nothing.
_QUERY = re.compile(r"\?(?:\*{3}(?=[:;,.)]?(?:\s|$))|[^\s\"<>]+)")
_WORD = re.compile(r"[^\s\"<>?]+")
# Control characters, and half surrogate pairs, which JSON can contain and no file or stream accepts.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SECRET_HEADER = re.compile(
    r"""(b'(?:location|authorization)', )b(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.IGNORECASE
)
_MAX_CHARACTERS = 1000

_own_request: ContextVar[Literal["", "redacted", "muted"]] = ContextVar("impact_jobs_request", default="")


@final
class Secret:
    """A text that only `reveal` returns: `repr` and `str` show a replacement, and pickle refuses it."""

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str, *, shown: str = "***") -> None:
        self._text = text
        self._shown = shown

    def reveal(self) -> str:
        """Return the text. Do not assign it to a variable, because tracebacks may show variables."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled: create the client anew in the other process")


def secret_url(url: str) -> Secret:
    """Return `url` as a secret that shows itself without its query, which may be signed."""
    path, mark, _ = url.partition("?")  # the query is the rest, because servers may send spaces and quotes in it
    return Secret(url, shown=shorten(path) + ("?***" if mark else ""))


def redact(text: str) -> str:
    """Replace the queries and credentials of all URLs in `text`, also without a scheme, and control characters.

    Tools that record requests, such as tracing and error reporters, see signed links. Pass what they record through
    this function; docs/howto/tracing.md shows how.

    Args:
        text: Any text, such as a URL or a message.

    Returns:
        The text with `?***` for each query and `***@` for each user and password.

    Raises:
        TypeError: `text` is not a str.

    Example:
        >>> redact("GET https://storage.example/a.csv?X-Amz-Signature=secret")
        'GET https://storage.example/a.csv?***'
    """
    return _WORD.sub(_without_userinfo, _QUERY.sub("?***", _UNPRINTABLE.sub("\ufffd", text)))


def shorten(text: str) -> str:
    """Return `redact(text)`, cut to a length that fits a message."""
    redacted = redact(text)
    return redacted if len(redacted) <= _MAX_CHARACTERS else f"{redacted[:_MAX_CHARACTERS]}…"


def _without_userinfo(match: re.Match[str]) -> str:
    # Up to the last @, because a password may contain one. A pattern for this would take quadratic time.
    before, _, rest = match[0].rpartition("@")
    scheme, slashes, _ = before.partition("//")
    if not slashes and ":" not in before:  # a mail address
        return match[0]
    return f"{scheme if slashes else ''}{slashes}***@{rest}"


def _redact_record(record: logging.LogRecord) -> bool:
    how = _own_request.get()
    if how == "redacted":
        record.msg, record.args = redact(_SECRET_HEADER.sub(r"\1b'***'", record.getMessage())), ()
    return how != "muted"


@contextmanager
def redact_http_logs(*, muted: bool = False) -> Iterator[None]:
    """Redact what httpx and httpcore log within the block, in this thread or task only; or have them log nothing.

    Neither library can be configured to do so. Adding the filter again has no effect.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redact_record)
    token = _own_request.set("muted" if muted else "redacted")
    try:
        yield
    finally:
        _own_request.reset(token)
