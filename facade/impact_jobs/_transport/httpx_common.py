"""What the blocking and the asynchronous transport share: how requests are built, and what errors of httpx mean.

Both transports convert an exception of httpx inside `except`, and raise the result as the last line of the function.
So neither a chained httpx exception nor a frame with an httpx request is part of the traceback: both would show signed
URLs. Ctrl-C and cancellations are raised in the same way.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

import httpx
from attrs import Factory, field, frozen

from impact_jobs import __version__
from impact_jobs._account import Account
from impact_jobs._redaction import redact, secret_url
from impact_jobs._transport import clock
from impact_jobs._transport.base import Head, Request
from impact_jobs._transport.gzip import ACCEPTED
from impact_jobs._transport.headers import content_length
from impact_jobs.errors import ConfigurationError, RequestTimeoutError, TransportError

T = TypeVar("T")
HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED,
    "IR-Version": "3",
    "User-Agent": f"impact-jobs/{__version__} httpx/{httpx.__version__}",
}
# Unlimited: to keep a limit, httpcore may close a connection that it has just assigned to another thread.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)
# Plain http goes to this machine alone, so never through a proxy, which could read token and links.
PLAIN_IS_DIRECT: dict[str, None] = {"http://": None}
# What reading a body raises. An asynchronous client does not wrap the ssl module's error about a damaged TLS record.
READ_FAILURES = (httpx.HTTPError, ssl.SSLError)
# ValueError for a URL such as "://[" or "https://[fe80::1%é]/", even in a `Location` that httpx does not follow.
FAILURES = (*READ_FAILURES, httpx.InvalidURL, ValueError)


@frozen(kw_only=True)
class RequestBuilder:
    """Builds the httpx requests of one account, and explains their failures."""

    account: Account
    headers: dict[str, str] = field(factory=lambda: dict(_HEADERS), init=False)
    auth: httpx.BasicAuth = field(
        default=Factory(lambda self: httpx.BasicAuth(self.account.sid, self.account.token.reveal()), takes_self=True),
        init=False,
        repr=False,
    )
    _pid: int = field(factory=os.getpid, init=False, repr=False)

    @property
    def fork_error(self) -> ConfigurationError | None:
        """The error to raise in a forked process, which shares the connections, and their bytes, with its parent."""
        if os.getpid() == self._pid:
            return None
        return ConfigurationError("this client was made before a fork: make a new one in the child process.")

    def unusable_error(self, client: httpx.Client | httpx.AsyncClient) -> ConfigurationError | None:
        """Return why `client` cannot send a request, if so."""
        return self.fork_error or (closed_error() if client.is_closed else None)

    def build(
        self,
        client: httpx.Client | httpx.AsyncClient,
        request: Request,
        extensions: Mapping[str, object] = {},
    ) -> httpx.Request:
        """Return `request` for httpx: to the API with the client's own headers and cookies, to the storage without."""
        url, content = request.url.reveal(), request.content or None
        if request.to_storage:
            return httpx.Request(request.method, url, headers=dict(request.headers), extensions=dict(extensions))
        headers = {**self.headers, **request.headers}
        return client.build_request(request.method, url, headers=headers, content=content, extensions=dict(extensions))

    def failure(self, error: Exception, request: Request, *, sent: bool = True) -> TransportError:
        """Return what to raise for an exception of httpx; `sent` is False if no byte of the request can have left."""
        where = f"{request.method} {request.url}"
        if isinstance(error, httpx.TimeoutException):
            return RequestTimeoutError(
                f"{where}: timed out after {request.timeout:.3g} s ({type(error).__name__}). "
                "Raise request_timeout, or try again.",
                request_sent=sent,
            )
        # The text of a ValueError may hold the credentials of a URL.
        reason = "a malformed URL" if isinstance(error, ValueError) else redact(str(error))
        reason = reason.rstrip(".") or type(error).__name__
        return TransportError(f"{where}: {reason}. Check network and proxy, then try again.", request_sent=sent)


def closed_error() -> ConfigurationError:
    """Return the error to raise for a closed client."""
    return ConfigurationError("this client is closed: make a new one.")


def set_up(make: Callable[[], T]) -> T:
    """Call `make`, which creates httpx clients: these read certificates and the proxy variables.

    Raises:
        ConfigurationError: The certificates or the proxy variables are unusable.
    """
    try:
        return make()
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:  # ImportError: a SOCKS proxy
        problem = redact(str(error))
    raise ConfigurationError(
        f"no HTTPS client could be made ({problem}): check SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables."
    )


def head_of(response: httpx.Response) -> Head:
    """Return status and headers of an httpx response, its `Location` as a secret."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    location = headers.pop("location", None)
    return Head(
        status_code=response.status_code,
        headers=headers,
        location=None if location is None else secret_url(location),
        received_at=clock.utc(),
    )


def framed_length(head: Head) -> int:
    """Return the length of a body that ends by its `Content-Length`; -1 if it ends otherwise or is encoded."""
    is_framed = not {"content-encoding", "transfer-encoding"} & head.headers.keys()
    length = content_length(head.headers) if is_framed else None
    return -1 if length is None else length
