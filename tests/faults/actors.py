"""Clients of every kind behind one interface, for sessions in which each makes many calls."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import httpx
from attrs import define, frozen
from impact_jobs import AsyncJobsClient, Job, JobsClient, JobsError, Polling, Retry

from tests.faults.exchange_proxy import CALL_HEADER
from tests.faults.harness import ClientKind, InjectedError

EAGER: Final = Polling(minimum=0.01, maximum=0.05)
_TICK_SECONDS: Final = 0.01

_call: ContextVar[str] = ContextVar("call", default="")

StopKind: TypeAlias = Literal["none", "callback raises", "interrupted"]


@frozen
class Stop:
    """How the test itself ends a call.

    Attributes:
        kind: An interruption is Ctrl-C in a callback of a blocking call, and a cancellation of an asynchronous one.
        at: After how many callbacks, or turns of the event loop.
    """

    kind: StopKind = "none"
    at: int = 0


NEVER: Final = Stop()


@frozen
class Outcome:
    """The return value or the error of a call, and its duration."""

    answer: Any = None
    error: BaseException | None = None
    seconds: float = 0.0

    @property
    def is_success(self) -> bool:
        return self.error is None

    @property
    def name(self) -> str:
        return "success" if self.error is None else type(self.error).__name__


@define
class Stopper:
    """Carries out a `Stop`; `happened` once it has."""

    stop: Stop
    is_blocking: bool
    happened: bool = False
    _calls: int = 0

    def callback(self, *_: object) -> None:
        self._calls += 1
        kinds: dict[str, type[BaseException]] = {"callback raises": InjectedError}
        if self.is_blocking:
            kinds["interrupted"] = KeyboardInterrupt
        if self._calls > self.stop.at % 3 and self.stop.kind in kinds:
            self.happened = True
            raise kinds[self.stop.kind]

    async def watch(self, work: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(work)
        if self.stop.kind == "interrupted":
            self._cancel_after(self.stop.at, task)
        return await task

    def outcome(self, error: BaseException, started: float) -> Outcome:
        """Return the outcome of a call that raised `error`; raise it again if neither we nor the test raised it."""
        if not isinstance(error, JobsError) and not self.happened:
            raise error
        return Outcome(error=error, seconds=time.monotonic() - started)

    def _cancel_after(self, turns: int, task: asyncio.Task[Any]) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._cancel_after, turns - 1, task)
        elif task.cancel():
            self.happened = True


async def _check_no_task_is_left() -> None:
    left: set[asyncio.Task[Any]] = set()
    for _ in range(10):  # the loop closes httpx's generators in tasks of its own, a turn or two later
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"left running: {left}")


@frozen
class NamingHeaders(Mapping[str, str]):
    """The headers of a client, and one that names the present call."""

    _given: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return _call.get() if name == CALL_HEADER else self._given[name]

    def __iter__(self) -> Iterator[str]:
        yield CALL_HEADER
        yield from self._given

    def __len__(self) -> int:
        return len(self._given) + 1


Act: TypeAlias = Callable[[Any, Stopper], Any]
"""Makes one call of a client, and returns its result; an awaitable if the client is asynchronous."""


@frozen
class Settings:
    """The options of a client."""

    kind: ClientKind
    tls: bool
    attempts: int = 2
    request_timeout: float = 0.2


@define
class Actor:
    """An open client."""

    settings: Settings
    jobs: Any
    _runner: asyncio.Runner
    _http_clients: tuple[httpx.AsyncClient, ...] = ()

    @classmethod
    def create(cls, settings: Settings, account: dict[str, Any], runner: asyncio.Runner, tls: ssl.SSLContext) -> Actor:
        options: dict[str, Any] = account | {
            "retry": Retry(attempts=settings.attempts, base_delay=0.0),
            "polling": EAGER,
            "request_timeout": settings.request_timeout,
        }
        own: tuple[httpx.AsyncClient, ...] = ()
        jobs: JobsClient | AsyncJobsClient
        match settings.kind:
            case "blocking":
                jobs = JobsClient(**options)
            case "asynchronous":
                jobs = AsyncJobsClient(**options)
            case _:
                own = httpx.AsyncClient(verify=tls), httpx.AsyncClient(verify=tls)
                jobs = AsyncJobsClient(**options, http_client=own[0], storage_client=own[1])
        builder = jobs._transport.builder
        object.__setattr__(builder, "headers", NamingHeaders(builder.headers))  # it is frozen
        return cls(settings, jobs, runner, own)

    @property
    def is_blocking(self) -> bool:
        return self.settings.kind == "blocking"

    def perform(self, call: str, act: Act, stop: Stop = NEVER) -> Outcome:
        """Make one call. Errors that are neither ours nor raised by `stop` propagate."""
        (outcome,) = self.perform_at_once({call: act}, stop)
        return outcome

    def perform_at_once(self, acts: Mapping[str, Act], stop: Stop = NEVER) -> list[Outcome]:
        """Make several calls at the same time, each in a thread or task of its own."""
        if not self.is_blocking:
            return self._runner.run(self._gather(acts, stop))
        if len(acts) == 1:
            return [self._perform_blocking(call, act, stop) for call, act in acts.items()]
        with ThreadPoolExecutor(len(acts)) as threads:
            return [*threads.map(lambda call: self._perform_blocking(call, acts[call], stop), acts)]

    def _perform_blocking(self, call: str, act: Act, stop: Stop) -> Outcome:
        stopper, started, token = Stopper(stop, is_blocking=True), time.monotonic(), _call.set(call)
        try:
            answer = act(self.jobs, stopper)
        except (JobsError, InjectedError, KeyboardInterrupt) as error:
            return stopper.outcome(error, started)
        finally:
            _call.reset(token)
        return Outcome(answer=answer, seconds=time.monotonic() - started)

    async def _gather(self, acts: Mapping[str, Act], stop: Stop) -> list[Outcome]:
        outcomes = await asyncio.gather(*(self._perform_async(call, act, stop) for call, act in acts.items()))
        await _check_no_task_is_left()
        return outcomes

    async def _perform_async(self, call: str, act: Act, stop: Stop) -> Outcome:
        stopper, started, _ = Stopper(stop, is_blocking=False), time.monotonic(), _call.set(call)
        try:
            answer = await stopper.watch(act(self.jobs, stopper))
        except (JobsError, InjectedError, asyncio.CancelledError) as error:
            return stopper.outcome(error, started)
        return Outcome(answer=answer, seconds=time.monotonic() - started)

    def close(self) -> None:
        if self.is_blocking:
            self.jobs.close()
            return

        async def close() -> None:
            await self.jobs.aclose()
            for client in self._http_clients:
                await client.aclose()

        self._runner.run(close())


def list_jobs(jobs: Any) -> Any:
    """Return all listed jobs; an awaitable if the client is asynchronous."""
    if isinstance(jobs, JobsClient):
        return list(jobs.list())

    async def read() -> list[Job]:
        return [job async for job in jobs.list()]

    return read()


def read_stream(jobs: Any, job_id: str, mode: Literal["redirect", "stream"], data: bytearray) -> Any:
    """Read a result into `data`; return an awaitable if the client is asynchronous."""
    if isinstance(jobs, JobsClient):
        with jobs.stream(job_id, mode=mode) as chunks:
            for chunk in chunks:
                data += chunk
        return data

    async def read() -> bytearray:
        async with jobs.stream(job_id, mode=mode) as chunks:
            async for chunk in chunks:
                data.extend(chunk)
        return data

    return read()


class LagMonitor:
    """Measures how late the machine runs its threads.

    Attributes:
        lag_seconds: By how much short sleeps have overrun, in total.
    """

    def __init__(self) -> None:
        self.lag_seconds = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            time.sleep(_TICK_SECONDS)
            self.lag_seconds += max(time.monotonic() - started - 1.5 * _TICK_SECONDS, 0.0)
