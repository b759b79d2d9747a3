from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from impact_jobs._transport.run_sync import SyncIterator, run_sync


class Counting:
    """An asynchronous iterator that never suspends, and optionally fails at 3."""

    def __init__(self, *, fails: bool = False) -> None:
        self._numbers = iter(range(5))
        self._fails = fails

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        number = next(self._numbers, None)
        if number is None:
            raise StopAsyncIteration
        if self._fails and number == 3:
            raise ValueError("three")
        return number


async def double(number: int) -> int:
    return 2 * number


async def twice(number: int) -> int:
    """Await several layers, none of which suspends."""
    return await double(number) + len([item async for item in Counting()])


class Suspension:
    def __await__(self) -> Generator[Any, Any, None]:
        yield self


@pytest.mark.parametrize("result", [None, 0, (), StopIteration(7), ValueError("as a value")])
def test_a_coroutine_runs_to_its_result(result: object) -> None:
    async def give() -> object:
        return result

    assert run_sync(give()) is result
    assert run_sync(twice(4)) == 13


@pytest.mark.parametrize("error", [ValueError("x"), StopAsyncIteration(), KeyboardInterrupt(), GeneratorExit()])
def test_the_exception_of_a_coroutine_is_raised_unchanged(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        run_sync(fail())
    assert raised.value is error


def test_a_coroutine_that_suspends_is_closed_and_reported() -> None:
    closed = []

    async def suspend() -> None:
        try:
            await Suspension()
        finally:
            closed.append(True)

    coroutine = suspend()
    with pytest.raises(RuntimeError, match="suspended: is its transport asynchronous"):
        run_sync(coroutine)
    assert closed == [True]
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


def test_it_works_inside_a_running_loop_such_as_a_notebook() -> None:
    async def cell() -> int:
        return run_sync(twice(1)) + sum(SyncIterator(Counting()))

    assert asyncio.run(cell()) == 17


def test_an_iterator_stays_at_its_end() -> None:
    iterator = SyncIterator(Counting())
    assert iter(iterator) is iterator
    assert list(iterator) == [0, 1, 2, 3, 4]
    assert next(iterator, "over") == "over"
    with pytest.raises(StopIteration) as raised:
        next(iterator)
    assert raised.value.__cause__ is None


def test_an_iterator_can_continue_after_a_failure() -> None:
    iterator = SyncIterator(Counting(fails=True))
    found: list[int] = []
    with pytest.raises(ValueError, match="three"):
        found.extend(iterator)
    assert found == [0, 1, 2]
    assert next(iterator) == 4


def test_an_iterator_can_continue_after_the_loop_was_left() -> None:
    iterator = SyncIterator(Counting())
    with contextlib.suppress(KeyError):
        for number in iterator:
            if number == 1:
                raise KeyError
    assert next(iterator) == 2
