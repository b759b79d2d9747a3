"""Clients of every kind behind one face, for sessions in which they live through many calls."""

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

from tests.faults.exchanges import CALL_HEADER
from tests.faults.harness import InjectedError, Kind

EAGER: Final = Polling(minimum=0.01, maximum=0.05)
_TICK_SECONDS: Final = 0.01

_call: ContextVar[str] = ContextVar("call", default="")

Stopping: TypeAlias = Literal["none", "callback raises", "interrupted"]


@frozen
class Stop:
    """What ends a call from our side.

    Attributes:
        kind: An interruption is Ctrl-C in a callback of a blocking call, and the cancelling of an asynchronous one.
        at: How many callbacks, or turns of the event loop, later.
    """

    kind: Stopping = "none"
    at: int = 0


NEVER: Final = Stop()


@frozen
class Outcome:
    """What a call came to: an answer, or an error; and how long it took, in seconds."""

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
    """Carries out a `Stop`.

    Attributes:
        happened: Whether it has.
    """

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
        """What a call came to that raised `error`; a stranger's is raised again."""
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
    for _ in range(10):  # the loop ends generators of httpx's by a task, a turn or two later
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"left running: {left}")


@frozen
class NamingHeaders(Mapping[str, str]):
    """The headers of a client, and the name of the call that it is in."""

    _given: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return _call.get() if name == CALL_HEADER else self._given[name]

    def __iter__(self) -> Iterator[str]:
        yield CALL_HEADER
        yield from self._given

    def __len__(self) -> int:
        return len(self._given) + 1


Act: TypeAlias = Callable[[Any, Stopper], Any]
"""Makes one call of a client; what it gives is to be awaited where that is asynchronous."""


@frozen
class Settings:
    """How a client is made."""

    kind: Kind
    tls: bool
    attempts: int = 2
    request_timeout: float = 0.2


@define
class Player:
    """A client that is open."""

    settings: Settings
    jobs: Any
    _runner: asyncio.Runner
    _own: tuple[httpx.AsyncClient, ...] = ()

    @classmethod
    def of(cls, settings: Settings, account: dict[str, Any], runner: asyncio.Runner, tls: ssl.SSLContext) -> Player:
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
        """Make one call; every failure but ours, and what the stop raises, goes through."""
        (outcome,) = self.perform_at_once({call: act}, stop)
        return outcome

    def perform_at_once(self, acts: Mapping[str, Act], stop: Stop = NEVER) -> list[Outcome]:
        """Make calls side by side, each by its name, in threads or tasks of their own."""
        if not self.is_blocking:
            return self._runner.run(self._awaited_at_once(acts, stop))
        if len(acts) == 1:
            return [self._made(call, act, stop) for call, act in acts.items()]
        with ThreadPoolExecutor(len(acts)) as threads:
            return [*threads.map(lambda call: self._made(call, acts[call], stop), acts)]

    def _made(self, call: str, act: Act, stop: Stop) -> Outcome:
        stopper, started, token = Stopper(stop, is_blocking=True), time.monotonic(), _call.set(call)
        try:
            answer = act(self.jobs, stopper)
        except (JobsError, InjectedError, KeyboardInterrupt) as error:
            return stopper.outcome(error, started)
        finally:
            _call.reset(token)
        return Outcome(answer=answer, seconds=time.monotonic() - started)

    async def _awaited_at_once(self, acts: Mapping[str, Act], stop: Stop) -> list[Outcome]:
        outcomes = await asyncio.gather(*(self._awaited(call, act, stop) for call, act in acts.items()))
        await _check_no_task_is_left()
        return outcomes

    async def _awaited(self, call: str, act: Act, stop: Stop) -> Outcome:
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
            for client in self._own:
                await client.aclose()

        self._runner.run(close())


def listed(jobs: Any) -> Any:
    """The list, whole; to be awaited where the client is asynchronous."""
    if isinstance(jobs, JobsClient):
        return list(jobs.list())

    async def read() -> list[Job]:
        return [job async for job in jobs.list()]

    return read()


def streamed(jobs: Any, job_id: str, mode: Literal["redirect", "stream"], data: bytearray) -> Any:
    """Read a result into `data`; to be awaited where the client is asynchronous."""
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


class Canary:
    """Sleeps all the time, and so knows how late this machine is.

    Attributes:
        lateness: Seconds that sleeps have taken too long, all together.
    """

    def __init__(self) -> None:
        self.lateness = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canary", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            time.sleep(_TICK_SECONDS)
            self.lateness += max(time.monotonic() - begun - 1.5 * _TICK_SECONDS, 0.0)
