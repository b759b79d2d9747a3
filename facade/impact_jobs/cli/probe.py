"""How `doctor` asks the API: as the session would, once, and looking at the connection too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from attrs import define, frozen
from impact_agency_api.api.jobs import list_jobs

from impact_jobs import JobsClient
from impact_jobs._account import DEFAULT_BASE_URL, Account
from impact_jobs._redaction import Secret, redact_http_logs, secret_url
from impact_jobs._transport.base import Head, Request
from impact_jobs._transport.httpx_common import FAILURES, PLAIN_IS_DIRECT, RequestBuilder, head_of, set_up
from impact_jobs.cli import profiles
from impact_jobs.cli.state import Session
from impact_jobs.errors import ConfigurationError, JobsError

TIMEOUT_SECONDS = 10.0


@frozen(kw_only=True)
class Target:
    """The API as the session would ask it.

    Attributes:
        base_url: Where it is.
        source: Where the credentials come from, in words.
        client: Makes a client over an httpx client; None without credentials.
        account_sid: Whose, or "".
        error: Why there are no credentials.
    """

    base_url: str
    source: str = ""
    client: Callable[[httpx.Client], JobsClient] | None = None
    account_sid: str = ""
    error: ConfigurationError | None = None


@define
class Heard:
    """What one exchange with the API showed.

    Attributes:
        head: Of the answer; None where none came.
        certificate: Of the server, verified, as `ssl` tells it.
        tls: The protocol, such as "TLSv1.3".
        seconds: How long it took.
        error: What a command would have come to.
    """

    head: Head | None = None
    certificate: Mapping[str, Any] | None = None
    tls: str = ""
    seconds: float = 0.0
    error: JobsError | None = None

    def note(self, response: httpx.Response) -> None:
        """Be the hook that httpx calls with each answer."""
        self.head = head_of(response)
        stream = response.extensions.get("network_stream")
        found = stream.get_extra_info("ssl_object") if stream is not None else None
        if found is not None:
            self.certificate, self.tls = found.getpeercert(), found.version()


def target_of(session: Session, *, environ: Mapping[str, str]) -> Target:
    """Whom `session.client()` would ask, and as whom."""
    url = environ.get("IMPACT_BASE_URL") or DEFAULT_BASE_URL
    try:
        found = profiles.load(session.profile, folder=profiles.config_folder(), environ=environ)
        if found is None:
            JobsClient.from_env().close()  # says what is missing
            sid = environ.get("IMPACT_ACCOUNT_SID", "")
            return Target(
                base_url=url.rstrip("/"),
                source=f"account {sid}, of the environment",
                client=lambda http: JobsClient.from_env(http_client=http, request_timeout=TIMEOUT_SECONDS),
                account_sid=sid,
            )
    except ConfigurationError as error:
        return Target(base_url=url, error=error)
    file = profiles.config_folder() / profiles.FILE_NAME
    return Target(
        base_url=found.url.rstrip("/"),
        source=f"account {found.account_sid}, profile {found.name!r} of {file}, readable by you only",
        client=lambda http: found.client(http_client=http, request_timeout=TIMEOUT_SECONDS),
        account_sid=found.account_sid,
    )


def ask(target: Target) -> Heard:
    """Ask the API once: for the jobs of today, or without credentials for nothing in particular."""
    heard = Heard()
    try:
        # Without credentials the URL has been looked at by nobody yet.
        nobody = Account.create("-", Secret("-"), secret_url(target.base_url))
    except ConfigurationError as error:
        heard.error = error
        return heard
    try:
        with set_up(lambda: _httpx_client(heard)) as http:
            begun = time.monotonic()
            heard.error = _exchange(target, http, RequestBuilder(account=nobody))
            heard.seconds = time.monotonic() - begun
    except ConfigurationError as error:
        heard.error = error
    return heard


def _httpx_client(heard: Heard) -> httpx.Client:
    return httpx.Client(
        verify=httpx.create_ssl_context(),
        mounts=PLAIN_IS_DIRECT,
        timeout=TIMEOUT_SECONDS,
        event_hooks={"response": [heard.note]},
    )


def _exchange(target: Target, http: httpx.Client, wire: RequestBuilder) -> JobsError | None:
    try:
        if target.client is None:
            with redact_http_logs(), http.stream("GET", target.base_url):
                return None
        today = datetime.now(UTC).date()
        kwargs = list_jobs._get_kwargs(target.account_sid, created_after=today, created_before=today)  # noqa: SLF001 - as `listing` does
        with target.client(http) as jobs:
            # Not `jobs.list`, which tries again, and may turn pages.
            jobs.generated.get_httpx_client().request(**kwargs)
    except JobsError as error:
        return error
    except FAILURES as error:
        return wire.failure(error, Request(method="GET", url=secret_url(target.base_url), timeout=TIMEOUT_SECONDS))
    return None


def parts_of(url: str) -> SplitResult:
    """The parts of a URL; those of "" where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
