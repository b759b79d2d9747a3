"""The I/O port over httpx, blocking and asynchronous. With `generated_client`, the only place that imports it."""

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
from impact_jobs.errors import (
    ConfigurationError,
    RequestTimeoutError,
    TransportError,
)

T = TypeVar("T")
HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED,
    "IR-Version": "3",
    "User-Agent": f"impact-jobs/{__version__} httpx/{httpx.__version__}",
}
# No connection is closed for being one too many: httpcore may close one that another thread has just been given.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)
# What goes in clear goes to this very machine, whatever the proxy variables say: a proxy would read token and links.
PLAIN_IS_DIRECT: dict[str, None] = {"http://": None}
# What a read of a body raises. An asynchronous client lets through what TLS says of a record that was spoilt.
READ_FAILURES = (httpx.HTTPError, ssl.SSLError)
# ValueError for a URL such as "://[" or "https://[fe80::1%é]/", even in a `Location` that httpx is not to follow.
FAILURES = (*READ_FAILURES, httpx.InvalidURL, ValueError)

# Both ports turn httpx's exceptions into ours by functions that *return* the failure, and raise it outside of any
# `except`: neither a chained httpx exception nor a frame that holds an httpx request, both of which print signed
# URLs, is then part of a traceback. Ctrl-C and cancellations leave these frames behind, too.


@frozen(kw_only=True)
class RequestBuilder:
    """What goes along with every request to the API."""

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
        """What to say in a forked process: it shares the connections of the one that made them, and their bytes."""
        if os.getpid() == self._pid:
            return None
        return ConfigurationError("this client was made before a fork: make a new one in the child process.")

    def unusable_error(self, client: httpx.Client | httpx.AsyncClient) -> ConfigurationError | None:
        """Why no request can be made by `client`, if so."""
        return self.fork_error or (closed() if client.is_closed else None)

    def build(
        self,
        client: httpx.Client | httpx.AsyncClient,
        request: Request,
        built: httpx.Request | None = None,
        extensions: Mapping[str, object] = {},
    ) -> httpx.Request:
        """`request` for httpx: for the API with the client's own headers, for the storage with none but ours.

        Args:
            client: What will send it.
            request: What is asked.
            built: The same as httpx has it, where others have made it.
            extensions: What httpcore is to be told with it. The port's own, timeouts among them.
        """
        built = built or self._built(client, request)
        built.extensions |= extensions
        return built

    def _built(self, client: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        url = request.url.reveal()
        if request.to_storage:
            # Not `client.build_request`, which would add the client's headers and cookies.
            return httpx.Request(request.method, url, headers=dict(request.headers))
        headers = {**self.headers, **request.headers}
        return client.build_request(request.method, url, headers=headers)

    def auth_for(self, request: Request) -> httpx.Auth | None:
        """The credentials for the API; for the storage None, which keeps even the client's own away."""
        return None if request.to_storage else self.auth

    def failure(self, error: Exception, request: Request, *, sent: bool = True) -> TransportError:
        """What an exception of httpx means to our users.

        Args:
            error: The exception.
            request: What was asked.
            sent: Whether a byte of it may have left.
        """
        where = f"{request.method} {request.url}"
        if isinstance(error, httpx.TimeoutException):
            return RequestTimeoutError(
                f"{where}: timed out after {request.timeout:.3g} s ({type(error).__name__}). "
                "Raise request_timeout, or try again.",
                request_sent=sent,
            )
        # What a ValueError says may hold a URL's credentials.
        reason = "a malformed URL" if isinstance(error, ValueError) else redact(str(error))
        reason = reason.rstrip(".") or type(error).__name__
        return TransportError(f"{where}: {reason}. Check network and proxy, then try again.", request_sent=sent)


def closed() -> ConfigurationError:
    """What to say after `close`."""
    return ConfigurationError("this client is closed: make a new one.")


def set_up(make: Callable[[], T]) -> T:
    """What `make` gives: httpx clients, which read certificates and the proxy variables.

    Raises:
        ConfigurationError: They cannot be used.
    """
    try:
        return make()
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:  # ImportError: a SOCKS proxy
        problem = redact(str(error))
    raise ConfigurationError(
        f"no HTTPS client could be made ({problem}): check SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables."
    )


def head_of(response: httpx.Response) -> Head:
    """Status and headers of an httpx response, its `Location` made a secret."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    location = headers.pop("location", None)
    return Head(
        status_code=response.status_code,
        headers=headers,
        location=None if location is None else secret_url(location),
        received_at=clock.utc(),
    )


def framed_length(head: Head) -> int:
    """How many bytes a body has that ends by its `Content-Length`; -1 for one that ends otherwise or is encoded."""
    is_framed = not {"content-encoding", "transfer-encoding"} & head.headers.keys()
    length = content_length(head.headers) if is_framed else None
    return -1 if length is None else length


def unless_failed(outcome: T | BaseException) -> T:
    """`outcome`, raised if it is an error."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
