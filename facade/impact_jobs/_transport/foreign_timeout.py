"""Recognise a TimeoutError that is not the network's, but was raised by a signal handler while a call was in progress.

A handler for SIGALRM may raise one at any line, also within a read. httpcore takes it for a timeout of its socket, and
the call would be retried beyond the user's own time limit.
"""

from __future__ import annotations

from typing import Final

# Those that wait for the network, or that replace the ones of the standard library.
_NETWORK: Final = frozenset({
    "anyio", "asyncio", "contextlib", "eventlet", "gevent", "httpcore", "httpx", "impact_jobs", "selectors", "socket",
    "socks", "ssl",
})  # fmt: skip


def foreign_timeout(error: BaseException | None, *, handled: BaseException | None = None) -> TimeoutError | None:
    """Return the TimeoutError that caused `error`, or is it, if code of the user raised it; None otherwise.

    `handled` is what the user handled when the call began: it is in the context of `error`, but did not cause it. The
    traceback begins with the user's code, because frames of httpx show signed URLs.
    """
    while error is not None and error is not handled and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__  # httpcore raises some errors `from None`
    if error is handled or not isinstance(error, TimeoutError):
        return None
    users, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _NETWORK:
            users = None
        elif users is None:
            users = frame
        frame = frame.tb_next
    return None if users is None else error.with_traceback(users)


def raise_if_foreign(error: BaseException) -> None:
    """Raise the TimeoutError of the user that caused `error`, if there is one."""
    foreign = foreign_timeout(error)
    if foreign is not None:
        raise foreign
