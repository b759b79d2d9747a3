"""Both clients behind one blocking face, so that every test is written once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import UUID

from impact_jobs import JobsClient
from impact_jobs.sandbox import Sandbox

AnyClient = Any
"""A `JobsClient`, or an `AsyncJobsClient` wrapped in `Driven`; both have the same blocking methods."""

MakeClient = Callable[..., AbstractContextManager[AnyClient]]
"""A function of a sandbox, a runner, and options of the client."""


class Driven:
    """A blocking wrapper of an asynchronous object: it runs its awaitables, iterators and context managers."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, "aclose" if name == "close" else name)
        if not callable(value):
            return value
        return lambda *args, **kwargs: self._blocking(value(*args, **kwargs))

    def __enter__(self) -> Any:
        self._runner.run(self._inner.__aenter__())
        return self

    def __exit__(self, *exc: object) -> None:
        self._runner.run(self._inner.__aexit__(*exc))

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self._runner.run(self._inner.__anext__())
            except StopAsyncIteration:
                return

    def _blocking(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            return self._runner.run(value)
        is_ours = hasattr(value, "__anext__") or type(value) is type(self._inner)
        return Driven(value, self._runner) if is_ours else value


def by_generated_code(jobs: AnyClient, operation: Any, job_id: str) -> Any:
    """Call a generated operation; return an awaitable if the client is asynchronous and not `Driven`."""
    inner = jobs._inner if isinstance(jobs, Driven) else jobs
    call = operation.sync if isinstance(inner, JobsClient) else operation.asyncio
    found = call(inner._context.account.sid, UUID(job_id), client=inner.generated)
    return jobs._blocking(found) if isinstance(jobs, Driven) else found


@contextmanager
def blocking(sandbox: Sandbox, _: asyncio.Runner, **options: Any) -> Iterator[AnyClient]:
    with sandbox.client(**options) as client:
        yield client


@contextmanager
def asynchronous(sandbox: Sandbox, runner: asyncio.Runner, **options: Any) -> Iterator[AnyClient]:
    with Driven(sandbox.async_client(**options), runner) as client:
        yield client


clients: tuple[MakeClient, ...] = (blocking, asynchronous)
