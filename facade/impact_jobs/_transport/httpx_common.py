"""What the blocking and the asynchronous transport share: requests for httpx, and what its errors mean.

Both transports convert an exception of httpx inside `except`, and raise the result as the last line of the function.
So neither a chained httpx exception nor a frame with an httpx request is part of the traceback: both would show signed
URLs. Ctrl-C and cancellations are raised in the same way.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

import httpx
from attrs import Factory, field, frozen

from impact_jobs import __version__
from impact_jobs._account import Account
from impact_jobs._redaction import redact, secret_url
from impact_jobs._transport import clock
from impact_jobs._transport.base import Head, Request
from impact_jobs._transport.foreign_timeout import foreign_timeout, raise_if_foreign
from impact_jobs._transport.gzip import ACCEPTED, GzipDecoder
from impact_jobs.errors import ConfigurationError, RequestTimeoutError, TransportError

T = TypeVar("T")
HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED,
    "User-Agent": f"impact-jobs/{__version__} httpx/{httpx.__version__}",
}
# Unlimited: to keep a limit, httpcore may close a connection that it has just assigned to another thread.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)
# What reading a body raises. An asynchronous client does not wrap the ssl module's error about a damaged TLS record.
READ_FAILURES = (httpx.HTTPError, ssl.SSLError)
# ValueError for a URL such as "://[" or "https://[fe80::1%é]/": httpx parses even a `Location` that it does not follow.
FAILURES = (*READ_FAILURES, httpx.InvalidURL, ValueError)

_CONNECTED: Final = frozenset({"connect_tcp.complete", "start_tls.complete"})
_SENDING: Final = "send_request_headers.started"
TRACED_EVENTS: Final = _CONNECTED | {"connect_tcp.started", _SENDING}
"""The events that `RequestTrace.note` handles."""

TRACE_EXTENSION: Final = "impact_jobs_trace"
"""The extension under which a request for httpx carries its trace."""

# No connection was made, so nothing was sent, provided that the error belongs to this request.
_NO_CONNECTION: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@frozen(kw_only=True)
class RequestBuilder:
    """Builds the httpx requests of one account, in the process that it was created in."""

    account: Account
    headers: dict[str, str] = field(
        default=Factory(lambda self: {**_HEADERS, "IR-Version": self.account.kind.api_version}, takes_self=True),
        init=False,
    )
    auth: httpx.BasicAuth = field(
        default=Factory(lambda self: httpx.BasicAuth(self.account.sid, self.account.token.reveal()), takes_self=True),
        init=False,
        repr=False,
    )
    _pid: int = field(factory=os.getpid, init=False, repr=False)

    @property
    def is_forked(self) -> bool:
        """Whether this is a forked process, which shares the connections, and their bytes, with its parent."""
        return os.getpid() != self._pid

    def check_process(self) -> None:
        """Raise ConfigurationError in a forked process."""
        if self.is_forked:
            raise ConfigurationError("this client was made before a fork: make a new one in the child process.")

    def check_usable(self, client: httpx.Client | httpx.AsyncClient) -> None:
        """Raise ConfigurationError in a forked process, or if `client` is closed."""
        self.check_process()
        if client.is_closed:
            raise closed_error()

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
        headers = httpx.Headers(self.headers)
        headers.update(dict(request.headers))  # in any case of their names
        return client.build_request(request.method, url, headers=headers, content=content, extensions=dict(extensions))


class RequestTrace:
    """How far one request has got, by the events of httpcore's `trace` extension.

    A user's transport may send the request to several hosts in turn. `connecting` holds the connections that were made
    for the request and that it has not used yet.
    """

    def __init__(self) -> None:
        self._is_sent = self._has_begun_to_connect = False
        self._connections: list[Any] = []
        self.connecting: list[Any] = []

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Record one of `TRACED_EVENTS`."""
        if event in _CONNECTED:
            self._connections.append(info["return_value"])
            self.connecting.append(info["return_value"])
        elif event != _SENDING:
            self._has_begun_to_connect = True
        elif info["request"].method != b"CONNECT":  # which is sent to a proxy, ahead of the request itself
            self._is_sent = True
            self.connecting.clear()

    @property
    def is_connecting(self) -> bool:
        """Whether the request is certainly still making its first connection."""
        return self._has_begun_to_connect and not self._is_sent

    def proves_unsent(self, error: Exception) -> bool:
        """Return whether `error` proves that no byte was sent: it is this request's own, not one of a user's hook."""
        if self._is_sent or not isinstance(error, _NO_CONNECTION):
            return False
        try:
            return error.request.extensions.get(TRACE_EXTENSION) is self
        except RuntimeError:  # the error belongs to no request
            return False

    def abort(self) -> None:
        """Make the thread that waits for the response stop, unless the request uses a connection of an earlier one."""
        for connection in tuple(self._connections):
            shut_down(connection)


def shut_down(connection: Any) -> None:  # noqa: ANN401 - httpx does not type it
    """Make reads from one of httpcore's `NetworkStream`s fail at once."""
    connected = connection.get_extra_info("socket")
    if connected is not None:
        with suppress(OSError):  # it is closed, or wrapped in a TLS socket by now
            socket.socket.shutdown(connected, socket.SHUT_RDWR)


def transport_error(error: Exception, request: Request, *, is_sent: bool = True) -> TransportError:
    """Return what to raise for an exception of httpx; with `is_sent=False`, no byte of the request has left."""
    where = f"{request.method} {request.url}"
    if isinstance(error, httpx.TimeoutException):
        return RequestTimeoutError(
            f"{where}: timed out after {request.timeout:.3g} s ({type(error).__name__}). "
            "Raise request_timeout, or try again.",
            request_sent=is_sent,
        )
    # The text of a ValueError may hold the credentials of a URL.
    reason = "a malformed URL" if isinstance(error, ValueError) else redact(str(error))
    reason = reason.rstrip(".") or type(error).__name__
    return TransportError(f"{where}: {reason}. Check network and proxy, then try again.", request_sent=is_sent)


def failure_to_open(
    error: BaseException,
    request: Request,
    trace: RequestTrace,
    client: httpx.Client | httpx.AsyncClient,
    *,
    handled: BaseException | None,
) -> BaseException | None:
    """Return what to raise for an error of `client.send`; None for an error of a user's hook, which stays as it is."""
    if (foreign := foreign_timeout(error, handled=handled)) is not None:
        return foreign
    if isinstance(error, FAILURES) and not isinstance(error, httpx.HTTPStatusError):
        return transport_error(error, request, is_sent=not trace.proves_unsent(error))
    if isinstance(error, RuntimeError) and client.is_closed:  # by another thread or task, just now
        return closed_error()
    return None if isinstance(error, Exception) else error.with_traceback(None)


def check_clients(kind: type, **clients: object) -> None:
    """Raise ConfigurationError if one of the user's clients, by argument, is not of that class of httpx."""
    for name, client in clients.items():
        if client is not None and not isinstance(client, kind):
            raise ConfigurationError(f"{name} is a {type(client).__name__}: give an httpx.{kind.__name__}.")


def closed_error() -> ConfigurationError:
    """Return the error to raise for a closed client."""
    return ConfigurationError("this client is closed: make a new one.")


def create_or_explain(create: Callable[[], T]) -> T:
    """Return what `create` makes for httpx; raise ConfigurationError if certificates or proxies are unusable."""
    try:
        return create()
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:  # ImportError: a SOCKS proxy
        raise_if_foreign(error)
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


def decoder_for(response: httpx.Response, head: Head, request: Request) -> GzipDecoder | None:
    """Return a decoder for the body; None if it is not encoded, or if a mocked transport has decoded it already."""
    if response.is_stream_consumed or "content-encoding" not in head.headers:
        return None
    return GzipDecoder.for_response(head, request)
