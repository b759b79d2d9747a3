"""Running the one asynchronous context without an event loop.

A coroutine whose awaits never suspend, as over a blocking port, finishes in a single `send(None)`. So the
synchronous client is a thin shell over the same code as the asynchronous one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine`, which must not suspend, to its end and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        coroutine.close()
    raise RuntimeError("a coroutine of the blocking client suspended: was it given an asynchronous port?")


class SyncIterator(Generic[T]):
    """A blocking view of an asynchronous iterator that never suspends."""

    def __init__(self, iterator: AsyncIterator[T]) -> None:
        self._iterator = iterator

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return run_sync(_next(self._iterator))
        except StopAsyncIteration:
            # Raised anew, for a StopIteration may not leave a coroutine.
            raise StopIteration from None


async def _next(iterator: AsyncIterator[T]) -> T:
    return await anext(iterator)
