"""What every operation of the core stands on: the account, the port, the policies, and one way to call the API."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import Factory, define, evolve, field, frozen

from impact_jobs.answers import error_of
from impact_jobs.budget import Budget
from impact_jobs.claims import Claims
from impact_jobs.config import Account
from impact_jobs.errors import ConfigurationError, JobsError, UnexpectedResponseError
from impact_jobs.polling import Polling
from impact_jobs.port import Port, Request, Response, Stream
from impact_jobs.redaction import secret_url
from impact_jobs.retry import Retry
from impact_jobs.validation import instance_of, number

logger: logging.Logger = logging.getLogger("impact_jobs")

_OK = 200
_FIRST_ERROR = 400
# So that a last look at the very end of a wait can be answered at all.
_SHORTEST_TIMEOUT_SECONDS = 0.5


@frozen(kw_only=True)
class Core:
    """One client's settings. The operations are functions of it; see `listing`, `waiting` and their like.

    Attributes:
        account: Whose jobs, where.
        port: The world outside.
        retry: Whether and when to try again.
        polling: When to ask again in a wait.
        request_timeout: Seconds for one exchange.
        random: Gives numbers from 0 to 1, for jitter.
        budget: What is left of the account's requests; shared by all of its clients.
        claims: Which new jobs belong to which replays; shared by all of its clients.
    """

    account: Account
    port: Port
    retry: Retry = field(validator=instance_of(Retry))
    polling: Polling = field(validator=instance_of(Polling))
    request_timeout: float = field(validator=number(above=0))
    random: Callable[[], float] = field(repr=False)
    budget: Budget = field(default=Factory(lambda self: Budget.of(self.account), takes_self=True), repr=False)
    claims: Claims = field(default=Factory(lambda self: Claims.of(self.account), takes_self=True), repr=False)

    def with_options(self, *, request_timeout: float | None, retry: Retry | None, polling: Polling | None) -> Core:
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
        left = max(deadline - self.port.now(), _SHORTEST_TIMEOUT_SECONDS)
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
        self.budget.sent(self.port.now())
        response = await self.port.send(request)
        self.budget.heard(response.head, self.port.now())
        return self.checked(response, what)

    async def stream(self, request: Request) -> Stream:
        """Send once, up to the head of the API's answer, whatever it is.

        Raises:
            TransportError: No answer.
        """
        self.budget.sent(self.port.now())
        stream = await self.port.stream(request)
        self.budget.heard(stream.head, self.port.now())
        return stream

    def blanked(self, response: Response) -> Response:
        """The same without the credentials, should a gateway echo what it was sent: with a 200, too."""
        return evolve(response, body=self.account.blanked(response.body))

    def checked(self, response: Response, what: str) -> Response:
        """`response` if it is a 200; raises as `exchange` does if it is not."""
        response = self.blanked(response)
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
        tries = Tries(self, what)
        while True:
            await self.until_allowed()
            try:
                return await self.exchange(request, what)
            except JobsError as error:
                await tries.pause_after(error)

    async def until_allowed(self) -> None:
        """Let a short while pass in which the server would only refuse; who would wait for long gets its refusal."""
        delay = self.budget.held(self.port.now())
        if 0 < delay <= self.retry.max_delay:
            logger.info("no requests are left: pausing for %.2f s", delay)
            await self.port.sleep(delay)

    async def pause_to_poll(self, seconds: float, *, deadline: float = math.inf, requests: int = 1) -> bool:
        """Let the pause between two polls pass: longer than asked for where the account's budget is short.

        Args:
            seconds: How long the poller itself wants to pause.
            deadline: When it ends at the latest, on the port's clock.
            requests: How many the next poll will take.

        Returns:
            Whether it is over; False where the deadline came first.
        """
        now = self.port.now()
        slot = self.budget.take(now, requests)
        until = now + max(seconds, slot.delay)
        while (delay := min(until, deadline) - self.port.now()) > 0:
            try:
                await self.port.sleep(delay)
            except BaseException:  # Ctrl-C, or a cancelled task
                self.budget.give_back(slot, self.port.now())
                raise
            now = self.port.now()
            # Another poll of the account may have been turned away meanwhile.
            if self.budget.held(now) > 0:
                self.budget.give_back(slot, now)
                slot = self.budget.take(now, requests)
                until = now + slot.delay
        self.budget.redeem(requests)
        return self.port.now() >= until


@define
class Tries:
    """The tries of one call of the user: however many requests it makes, together they get `retry.attempts`."""

    core: Core
    what: str
    repeatable: bool = True
    failures: int = 0

    def reset(self) -> None:
        """Grant all tries anew, for there was progress."""
        self.failures = 0

    async def pause_after(self, error: JobsError) -> None:
        """Let the pause before the next try pass, or raise `error` when there is to be none."""
        self.failures += 1
        delay = self.core.retry.delay(error, self.failures, random=self.core.random, repeatable=self.repeatable)
        if delay is None:
            raise error
        logger.info("%s; try %d of %d in %.2f s", error, self.failures + 1, self.core.retry.attempts, delay)
        await self.core.port.sleep(delay)


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
