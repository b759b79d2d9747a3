"""One exchange with the API and what it shows, for `impact-jobs doctor`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field

from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import list_request
from impact_jobs._api.responses import read_json
from impact_jobs._dates import Window
from impact_jobs._policy.rate_limit_headers import RateLimitHeaders, server_time
from impact_jobs._redaction import secret_url
from impact_jobs._transport import clock
from impact_jobs._transport.base import Head, Request, read_all
from impact_jobs._transport.blocking import BlockingStream, BlockingTransport
from impact_jobs.errors import JobsError


@define(kw_only=True)
class Probe:
    """What one exchange with the API showed. A field that the exchange did not get to is None.

    Attributes:
        status_code: The HTTP status.
        received_at: When the head of the response arrived, by this machine's clock.
        server_time: The server's clock at that moment, in whole seconds.
        requests_limit: How many requests the account has in an hour.
        requests_remaining: How many of them are left.
        reset_seconds: Seconds until the limit is granted anew.
        tls_version: The protocol, such as "TLSv1.3".
        certificate: The server's verified certificate, as `ssl.SSLSocket.getpeercert` returns it.
        seconds: How long the exchange took.
        error: The error that a call of the client would have raised.
    """

    status_code: int | None = None
    received_at: datetime | None = None
    server_time: datetime | None = None
    requests_limit: float | None = None
    requests_remaining: float | None = None
    reset_seconds: float | None = None
    tls_version: str | None = None
    certificate: Mapping[str, Any] | None = field(default=None, repr=False)
    seconds: float = 0.0
    error: JobsError | None = None

    def _record(self, head: Head) -> None:
        limits = RateLimitHeaders.from_head(head)
        self.status_code, self.received_at = head.status_code, head.received_at
        self.server_time = server_time(head) if "date" in head.headers else None
        self.requests_limit, self.requests_remaining = limits.limit, limits.remaining
        self.reset_seconds = limits.reset

    def _record_tls(self, stream: BlockingStream) -> None:
        network = stream.network_stream
        tls = network.get_extra_info("ssl_object") if network is not None else None
        if tls is not None:
            self.tls_version, self.certificate = tls.version(), tls.getpeercert()


async def send_probe(
    context: ClientContext, transport: BlockingTransport, *, has_credentials: bool, timeout: float
) -> Probe:
    """Request today's jobs once, or without credentials the base URL itself; return failures instead of raising."""
    if has_credentials:
        today = clock.utc().date()
        request = list_request(context, Window(after=today, before=today))
    else:  # as for the storage, which gets no credentials
        url = secret_url(context.account.base_url)
        request = Request(method="GET", url=url, timeout=timeout, to_storage=True)
    result = Probe()
    begun = time.monotonic()
    try:
        stream = await transport.open(request)
        result._record(stream.head)  # noqa: SLF001 - of this module
        result._record_tls(stream)  # noqa: SLF001 - the same
        if has_credentials:
            response = await read_all(stream, request)
            read_json(context.raise_for_status(response, "list jobs"), "list jobs")
        else:
            await stream.aclose()
    except JobsError as error:
        result.error = error
    result.seconds = time.monotonic() - begun
    return result
