"""What every operation of the core stands on: the account, the port, the policies, and one way to call the API."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import Factory, define, evolve, field, frozen

from impact_jobs._account import Account
from impact_jobs._api.responses import error_of
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.rate_limiter import RateLimiter
from impact_jobs._policy.replay_claims import ReplayClaims
from impact_jobs._policy.retry import Retry
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Request, Response, Stream, Transport
from impact_jobs._validators import instance_of, number
from impact_jobs.errors import ConfigurationError, JobsError, UnexpectedResponseError

logger: logging.Logger = logging.getLogger("impact_jobs")

_OK = 200
_FIRST_ERROR = 400
# So that a last look at the very end of a wait can be answered at all.
_SHORTEST_TIMEOUT_SECONDS = 0.5


@frozen(kw_only=True)
class ClientContext:
    """One client's settings. The operations are functions of it; see `listing`, `waiting` and their like.

    Attributes:
        account: Whose jobs, where.
        port: The world outside.
        retry: Whether and when to try again.
        polling: When to ask again in a wait.
        request_timeout: Seconds for one exchange.
        random: Gives numbers from 0 to 1, for jitter.
        rate_limiter: What is left of the account's requests; shared by all of its clients.
        replay_claims: Which new jobs belong to which replays; shared by all of its clients.
    """

    account: Account
    transport: Transport
    retry: Retry = field(validator=instance_of(Retry))
    polling: Polling = field(validator=instance_of(Polling))
    request_timeout: float = field(validator=number(above=0))
    random: Callable[[], float] = field(repr=False)
    rate_limiter: RateLimiter = field(
        default=Factory(lambda self: RateLimiter.for_account(self.account), takes_self=True), repr=False
    )
    replay_claims: ReplayClaims = field(
        default=Factory(lambda self: ReplayClaims.for_account(self.account), takes_self=True), repr=False
    )

    def with_options(
        self, *, request_timeout: float | None, retry: Retry | None, polling: Polling | None
    ) -> ClientContext:
        """The same with other settings; None keeps one."""
        return evolve(
            self,
            request_timeout=self.request_timeout if request_timeout is None else request_timeout,
            retry=retry or self.retry,
            polling=polling or self.polling,
        )

    def request(
        self,
        kwargs: Mapping[str, Any],
        *,
        deadline: float = math.inf,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request for the API.

        Args:
            kwargs: Method, path and query as a generated operation's `_get_kwargs` gives them. It is the one
                part of a generated operation that does no I/O; that it is there is held by our own tests.
            deadline: When the call as a whole must be over, on the port's clock.
            headers: Headers of this request alone.
        """
        query = urlencode(kwargs.get("params", {}))
        return self.request_to(
            f"{self.account.base_url}{kwargs['url']}{'?' if query else ''}{query}",
            method=kwargs["method"].upper(),
            deadline=deadline,
            headers=headers,
        )

    def request_to(
        self,
        url: str,
        *,
        method: str = "GET",
        deadline: float = math.inf,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request for the API at an absolute URL."""
        left = max(deadline - self.transport.now(), _SHORTEST_TIMEOUT_SECONDS)
        return Request(
            method=method, url=secret_url(url), headers=headers or {}, timeout=min(self.request_timeout, left)
        )

    async def exchange(self, request: Request, what: str) -> Response:
        """Send once.

        Raises:
            TransportError: No answer.
            ApiError: An answer that says no.
            UnexpectedResponseError: An answer that is neither yes nor no.
        """
        self.rate_limiter.on_request(self.transport.now())
        response = await self.transport.send(request)
        self.rate_limiter.on_response(response.head, self.transport.now())
        return self.raise_for_status(response, what)

    async def stream(self, request: Request) -> Stream:
        """Send once, up to the head of the API's answer, whatever it is.

        Raises:
            TransportError: No answer.
        """
        self.rate_limiter.on_request(self.transport.now())
        stream = await self.transport.stream(request)
        self.rate_limiter.on_response(stream.head, self.transport.now())
        return stream

    def redacted(self, response: Response) -> Response:
        """The same without the credentials, should a gateway echo what it was sent: with a 200, too."""
        return evolve(response, body=self.account.redacted(response.body))

    def raise_for_status(self, response: Response, what: str) -> Response:
        """`response` if it is a 200; raises as `exchange` does if it is not."""
        response = self.redacted(response)
        if response.head.status_code >= _FIRST_ERROR:
            raise error_of(response, what)
        if response.head.status_code != _OK:
            raise UnexpectedResponseError(
                f"{what}: HTTP {response.head.status_code} where 200 was due. Check base_url and any proxy between.",
                status_code=response.head.status_code,
            )
        return response

    async def send(self, request: Request, what: str) -> Response:
        """Send a GET, trying again as the retry policy says; raises what the last try came to."""
        tries = RetryState(self, what)
        while True:
            await self.wait_for_quota()
            try:
                return await self.exchange(request, what)
            except JobsError as error:
                await tries.pause_after(error)

    async def wait_for_quota(self) -> None:
        """Wait while the server would only answer 429, unless that takes longer than `retry.max_delay`."""
        delay = self.rate_limiter.blocked_for(self.transport.now())
        if 0 < delay <= self.retry.max_delay:
            logger.info("no requests are left: pausing for %.2f s", delay)
            await self.transport.sleep(delay)

    async def pause_to_poll(self, seconds: float, *, deadline: float = math.inf, requests: int = 1) -> bool:
        """Let the pause between two polls pass: longer than asked for where the account's budget is short.

        Args:
            seconds: How long the poller itself wants to pause.
            deadline: When it ends at the latest, on the port's clock.
            requests: How many the next poll will take.

        Returns:
            Whether it is over; False where the deadline came first.
        """
        now = self.transport.now()
        slot = self.rate_limiter.reserve(now, requests)
        until = now + max(seconds, slot.delay)
        while (delay := min(until, deadline) - self.transport.now()) > 0:
            try:
                await self.transport.sleep(delay)
            except BaseException:  # Ctrl-C, or a cancelled task
                self.rate_limiter.release(slot, self.transport.now())
                raise
            now = self.transport.now()
            # Another poll of the account may have been turned away meanwhile.
            if self.rate_limiter.blocked_for(now) > 0:
                self.rate_limiter.release(slot, now)
                slot = self.rate_limiter.reserve(now, requests)
                until = now + slot.delay
        self.rate_limiter.commit(slot)
        return self.transport.now() >= until


@define
class RetryState:
    """The tries of one call of the user: however many requests it makes, together they get `retry.attempts`."""

    context: ClientContext
    what: str
    repeatable: bool = True
    failures: int = 0

    def reset(self) -> None:
        """Grant all tries anew, for there was progress."""
        self.failures = 0

    async def pause_after(self, error: JobsError) -> None:
        """Let the pause before the next try pass, or raise `error` when there is to be none."""
        self.failures += 1
        delay = self.context.retry.delay(error, self.failures, random=self.context.random, repeatable=self.repeatable)
        if delay is None:
            raise error
        logger.info("%s; try %d of %d in %.2f s", error, self.failures + 1, self.context.retry.attempts, delay)
        await self.context.transport.sleep(delay)


def seconds_of(timeout: float | None) -> float:
    """A user's `timeout`: None is for ever.

    Raises:
        ConfigurationError: It is no number of seconds, or a negative one.
    """
    if timeout is None:
        return math.inf
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise ConfigurationError(f"timeout={timeout!r}: give seconds, 0 or more, or None to wait for ever.")
    return float(timeout)
