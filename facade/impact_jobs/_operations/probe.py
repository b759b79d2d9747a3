"""Make one exchange with the API and report what it shows, for `impact-jobs doctor`."""

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
from impact_jobs._transport.base import Request, read_all
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs.errors import JobsError


@define(kw_only=True)
class Probe:
    """What one exchange with the API showed. If the exchange failed earlier, a field is None."""

    status_code: int | None = None
    received_at: datetime | None = None  # by this machine's clock
    server_time: datetime | None = None  # at that moment, in whole seconds
    requests_limit: float | None = None  # per hour
    requests_remaining: float | None = None
    reset_seconds: float | None = None
    tls_version: str | None = None  # such as "TLSv1.3"
    certificate: Mapping[str, Any] | None = field(default=None, repr=False)  # see `ssl.SSLSocket.getpeercert`
    seconds: float = 0.0  # that the exchange took
    error: JobsError | None = None  # that a call of the client would have raised


async def send_probe(
    context: ClientContext, transport: BlockingTransport, *, has_credentials: bool, timeout: float
) -> Probe:
    """Request today's jobs once, or without credentials the base URL itself; return failures instead of raising."""
    if has_credentials:
        today = clock.utc().date()
        request = list_request(context, Window.create(today, today, context.account.kind))
    else:  # as for the storage, which gets no credentials
        url = secret_url(context.account.base_url)
        request = Request(method="GET", url=url, timeout=timeout, to_storage=True)
    result = Probe()
    begun = time.monotonic()
    try:
        stream = await transport.open(request)
        head, limits = stream.head, RateLimitHeaders.from_head(stream.head)
        result.status_code, result.received_at = head.status_code, head.received_at
        result.server_time = server_time(head) if "date" in head.headers else None
        result.requests_limit, result.requests_remaining = limits.limit, limits.remaining
        result.reset_seconds = limits.reset
        network = stream.network_stream
        if network is not None and (tls := network.get_extra_info("ssl_object")) is not None:
            result.tls_version, result.certificate = tls.version(), tls.getpeercert()
        if has_credentials:
            response = await read_all(stream, request)
            read_json(context.raise_for_status(response, "list jobs"), "list jobs")
        else:
            await stream.aclose()
    except JobsError as error:
        result.error = error
    result.seconds = time.monotonic() - begun
    return result
