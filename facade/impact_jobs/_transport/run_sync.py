"""Run the asynchronous operations without an event loop.

Over a blocking transport no `await` suspends, so a coroutine finishes in a single `send(None)`. The synchronous client
is therefore a thin shell around the same code as the asynchronous client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        coroutine.close()
    raise RuntimeError("a coroutine of the blocking client suspended: is its transport asynchronous?")


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
            raise StopIteration from None


async def _next(iterator: AsyncIterator[T]) -> T:
    return await anext(iterator)
