"""The generated client over our connections and with our errors: for operations that the facade lacks."""

from __future__ import annotations

import math

import httpx
from impact_agency_api import AuthenticatedClient

from impact_jobs._api.responses import error_of, read_json
from impact_jobs._redaction import secret_url
from impact_jobs._transport.asynchronous import AsyncStream, AsyncTransport
from impact_jobs._transport.base import Request, Response, read_whole
from impact_jobs._transport.blocking import BlockingStream, BlockingTransport
from impact_jobs._transport.httpx_common import RequestBuilder, unless_failed
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.errors import JobsError

_FIRST_ERROR = 400
# Set anew by httpx for the body as we hand it on, which is decoded.
_OF_THE_ENCODED_BODY = (b"content-encoding", b"content-length", b"transfer-encoding")


def generated_client(port: BlockingTransport | AsyncTransport, *, request_timeout: float) -> AuthenticatedClient:
    """The generated client for the account of `port`.

    It is given no token, for its `repr` prints it: the port's connections add the credentials. They also ask for
    JSON, which generated code forgets to, and raise the documented errors before generated code parses an answer.
    """
    wire = port.wire
    base_url = wire.account.base_url
    client = AuthenticatedClient(base_url=base_url, token="", prefix="Basic")
    if isinstance(port, BlockingTransport):
        return client.set_httpx_client(
            httpx.Client(base_url=base_url, headers=wire.headers, timeout=request_timeout, transport=_Door(port))
        )
    return client.set_async_httpx_client(
        httpx.AsyncClient(base_url=base_url, headers=wire.headers, timeout=request_timeout, transport=_AsyncDoor(port))
    )


class _Door(httpx.BaseTransport):
    def __init__(self, port: BlockingTransport) -> None:
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return unless_failed(self._exchange(request))

    def _exchange(self, request: httpx.Request) -> httpx.Response | BaseException:
        described = _described(request)
        stream = self._port.begin(described, request)
        if isinstance(stream, BaseException):
            return stream
        try:
            whole = run_sync(_whole(self._port, stream, described))
        except JobsError as error:
            return error
        return _checked(stream.response, whole, self._port.wire)


class _AsyncDoor(httpx.AsyncBaseTransport):
    def __init__(self, port: AsyncTransport) -> None:
        self._port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return unless_failed(await self._exchange(request))

    async def _exchange(self, request: httpx.Request) -> httpx.Response | BaseException:
        described = _described(request)
        stream = await self._port.begin(self._port.api, described, request)
        if isinstance(stream, BaseException):
            return stream
        try:
            whole = await _whole(self._port, stream, described)
        except JobsError as error:
            return error
        return _checked(stream.response, whole, self._port.wire)


def _described(request: httpx.Request) -> Request:
    timeout = request.extensions.get("timeout", {}).get("read")
    return Request(
        method=request.method, url=secret_url(str(request.url)), timeout=math.inf if timeout is None else timeout
    )


def _is_file(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.OK and response.request.url.path.endswith("/Download")


async def _whole(
    port: BlockingTransport | AsyncTransport, stream: BlockingStream | AsyncStream, request: Request
) -> Response:
    # Whoever asks generated code for a file wants all of it in memory, however large it is and long it takes.
    if _is_file(stream.response):
        return await read_whole(stream, request, limit=math.inf)
    return await port.whole(stream, request)


def _checked(response: httpx.Response, whole: Response, wire: RequestBuilder) -> httpx.Response | JobsError:
    head = whole.head
    what = f"{response.request.method} {response.request.url.path}"
    if head.status_code >= _FIRST_ERROR:
        return error_of(Response(head=head, body=wire.account.redacted(whole.body)), what)
    if response.is_success and not _is_file(response):
        try:
            read_json(whole, what)
        except JobsError as error:
            return error
    # Raw, for httpx takes no text of a header that it has read itself, if that is not ASCII.
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _OF_THE_ENCODED_BODY]
    return httpx.Response(head.status_code, headers=headers, content=whole.body)
