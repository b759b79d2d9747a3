"""What every operation needs: the account, the transport, the policies, and one way to call the API."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable

from attrs import Factory, define, evolve, field, frozen

from impact_jobs._account import Account
from impact_jobs._api.responses import error_of
from impact_jobs._policy.daily_exports import DAILY_EXPORTS, DailyExports
from impact_jobs._policy.polling import Polling, error_grace_seconds
from impact_jobs._policy.rate_limiter import RATE_LIMITERS, RateLimiter
from impact_jobs._policy.recent_replays import RECENT_REPLAYS, RecentReplays
from impact_jobs._policy.replay_claims import REPLAY_CLAIMS, ReplayClaims
from impact_jobs._policy.report_memory import ReportMemory
from impact_jobs._policy.request_count import RequestCount
from impact_jobs._policy.retry import Retry
from impact_jobs._transport.base import Request, Response, Stream, Transport, read_all
from impact_jobs._validators import instance_of, number, plain_number, shown
from impact_jobs.errors import ApiError, ConfigurationError, JobFailedError, JobsError, UnexpectedResponseError
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

_OK = 200
_FIRST_ERROR = 400
_REFUSALS_OF_A_JOB = frozenset({401, 403, 404})


@frozen(kw_only=True)
class ClientContext:
    """The settings of one client, which every operation takes as its first argument."""

    account: Account
    transport: Transport
    retry: Retry = field(validator=instance_of(Retry))
    polling: Polling = field(validator=instance_of(Polling))
    request_timeout: float = field(validator=number(above=0))
    random: Callable[[], float] = field(repr=False)  # returns numbers from 0 to 1, for jitter
    # All clients of the account share these.
    rate_limiter: RateLimiter = field(
        default=Factory(lambda self: RATE_LIMITERS.get(self.account), takes_self=True), repr=False
    )
    replay_claims: ReplayClaims = field(
        default=Factory(lambda self: REPLAY_CLAIMS.get(self.account), takes_self=True), repr=False
    )
    recent_replays: RecentReplays = field(
        default=Factory(lambda self: RECENT_REPLAYS.get(self.account), takes_self=True), repr=False
    )
    daily_exports: DailyExports = field(
        default=Factory(lambda self: DAILY_EXPORTS.get(self.account), takes_self=True), repr=False
    )
    # The copies of this client share it.
    report_memory: ReportMemory = field(factory=ReportMemory, repr=False)
    request_count: RequestCount = field(factory=RequestCount, repr=False)

    def with_options(
        self, *, request_timeout: float | None, retry: Retry | None, polling: Polling | None
    ) -> ClientContext:
        """Return a copy with other settings; None keeps a setting."""
        return evolve(
            self,
            request_timeout=self.request_timeout if request_timeout is None else request_timeout,
            retry=retry or self.retry,
            polling=polling or self.polling,
        )

    def counting(self) -> ClientContext:
        """Return a copy that counts its requests from now on."""
        return evolve(self, request_count=RequestCount())

    def for_advertiser(self, advertiser_id: int | str) -> ClientContext:
        """Return a copy for one brand of this agency: over the same connections, and within the same rate limit."""
        return evolve(self, account=self.account.for_advertiser(advertiser_id))

    def error_grace(self) -> float:
        """Return for how many seconds a job in ERROR may still be run again by the server."""
        return error_grace_seconds(self.polling, self.account.kind)

    def is_final(self, job: Job) -> bool:
        """Return whether the server will not change the job any more, as far as its status says."""
        return job.is_terminal and not (job.status == JobStatus.ERROR and self.error_grace() > 0)

    async def open(self, request: Request) -> Stream:
        """Send a request to the API once; return the response, of any status, as soon as its head has arrived."""
        self.rate_limiter.on_request(self.transport.now())
        self.request_count.on_request()
        stream = await self.transport.open(request)
        self.rate_limiter.on_response(stream.head, self.transport.now())
        return stream

    async def exchange(self, request: Request, what: str, *, job_id: str = "") -> Response:
        """Send a request once; return its response if that is a 200, and raise the error for it otherwise."""
        return self.raise_for_status(await read_all(await self.open(request), request), what, job_id=job_id)

    def redacted(self, response: Response) -> Response:
        """Return a copy whose messages do not show the credentials, which a gateway may echo, even with a 200."""
        return evolve(response, redact=self.account.redact)

    def job_failed(self, job: Job) -> JobFailedError:
        """Return the error for a job that has failed, without the credentials in its message."""
        shown = job.status_message and self.account.redact(job.status_message)
        error = JobFailedError.of(evolve(job, status_message=shown))
        error.job = job
        return error

    def raise_for_status(self, response: Response, what: str, *, job_id: str = "") -> Response:
        """Return `response`, with redacted messages, if it is a 200; raise the error for it otherwise.

        The error is `is_too_early` if it refuses the job `job_id`, which was replayed a moment ago.
        """
        response = self.redacted(response)
        if response.head.status_code >= _FIRST_ERROR:
            error = error_of(response, what)
            error.is_too_early = self.is_too_early(error, job_id)
            raise error
        if response.head.status_code != _OK:
            raise UnexpectedResponseError(
                f"{what}: HTTP {response.head.status_code} where 200 was due. Check base_url and any proxy between.",
                status_code=response.head.status_code,
            )
        return response

    def is_too_early(self, error: ApiError, job_id: str) -> bool:
        """Return whether an error may pass, because it refuses a job that was replayed a moment ago."""
        is_refusal = error.status_code in _REFUSALS_OF_A_JOB
        return is_refusal and self.recent_replays.holds(job_id, self.transport.now())

    def is_earlier_run(self, job: Job) -> bool:
        """Return whether a snapshot still shows the end of the run before a replay that kept the job's id."""
        return self.recent_replays.is_earlier_run(job, self.transport.now())

    async def send(self, request: Request, what: str, *, job_id: str = "") -> Response:
        """Send a GET, with as many retries as the retry policy allows."""
        retry_state = RetryState(self, what)
        while True:
            await self.wait_for_quota()
            try:
                return await self.exchange(request, what, job_id=job_id)
            except JobsError as error:
                await retry_state.pause_after(error)

    async def wait_for_quota(self) -> None:
        """Wait while the server would only return 429, unless that takes longer than `retry.max_delay`."""
        delay = self.rate_limiter.blocked_for(self.transport.now())
        if 0 < delay <= self.retry.max_delay:
            logger.info("no requests are left: pausing for %.2f s", delay)
            await self.transport.sleep(delay)

    async def pause_to_poll(self, seconds: float, *, deadline: float = math.inf, requests: int = 1) -> bool:
        """Pause before a poll of so many requests: for `seconds`, or longer if the account's quota is short.

        Return False if the pause was cut short by `deadline`, which is on the transport's clock.
        """
        now = self.transport.now()
        reservation = self.rate_limiter.reserve(now, requests)
        until = now + max(seconds, reservation.delay)
        while now < min(until, deadline):
            try:
                await self.transport.sleep(min(until, deadline) - now)
            except BaseException:  # Ctrl-C, or a cancelled task
                self.rate_limiter.release(reservation, self.transport.now())
                raise
            now = self.transport.now()
            # The server may have rejected another poll of the account meanwhile.
            if self.rate_limiter.blocked_for(now) > 0:
                self.rate_limiter.release(reservation, now)
                reservation = self.rate_limiter.reserve(now, requests)
                until = now + reservation.delay
        self.rate_limiter.commit(reservation)
        return now >= until


@define
class RetryState:
    """Counts the failures of one call: all requests of the call together get `retry.attempts`."""

    context: ClientContext
    what: str
    repeatable: bool = True
    failures: int = 0

    def reset(self) -> None:
        """Allow all attempts again, because the call has made progress."""
        self.failures = 0

    async def pause_after(self, error: JobsError) -> None:
        """Pause before the next attempt, or raise `error` if there is none left."""
        self.failures += 1
        delay = self.context.retry.delay(error, self.failures, random=self.context.random, repeatable=self.repeatable)
        if delay is None:
            raise error
        logger.info("%s; try %d of %d in %.2f s", error, self.failures + 1, self.context.retry.attempts, delay)
        await self.context.transport.sleep(delay)


def seconds_of(timeout: float | None) -> float:
    """Return a user's `timeout` in seconds, checked; None means no limit."""
    if timeout is None:
        return math.inf
    seconds = plain_number(timeout)
    if seconds is None or not seconds >= 0:
        raise ConfigurationError(f"timeout={shown(timeout)}: give seconds, 0 or more, or None to wait forever.")
    return float(seconds) if seconds <= sys.float_info.max else math.inf
