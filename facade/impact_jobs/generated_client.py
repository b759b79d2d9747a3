"""The generated client over our connections and with our errors: for operations that the facade lacks."""

from __future__ import annotations

import httpx
from impact_agency_api import AuthenticatedClient

from impact_jobs.answers import error_of, read_json
from impact_jobs.errors import JobsError
from impact_jobs.httpx_async import AsyncPort
from impact_jobs.httpx_blocking import BlockingPort
from impact_jobs.httpx_wire import Wire, head_of
from impact_jobs.port import Request, Response
from impact_jobs.redaction import quiet_logs, secret_url

_FIRST_ERROR = 400
# Set anew by httpx for the body as we hand it on, which is decoded.
_OF_THE_ENCODED_BODY = ("content-encoding", "content-length", "transfer-encoding")


def generated_client(port: BlockingPort | AsyncPort, *, request_timeout: float) -> AuthenticatedClient:
    """The generated client for the account of `port`.

    It is given no token, for its `repr` prints it: the port's connections add the credentials. They also ask for
    JSON, which generated code forgets to, and raise the documented errors before generated code parses an answer.
    """
    wire = port.wire
    base_url = wire.account.base_url
    client = AuthenticatedClient(base_url=base_url, token="", prefix="Basic")
    if isinstance(port, BlockingPort):
        return client.set_httpx_client(
            httpx.Client(base_url=base_url, headers=wire.headers, timeout=request_timeout, transport=_Door(port))
        )
    return client.set_async_httpx_client(
        httpx.AsyncClient(base_url=base_url, headers=wire.headers, timeout=request_timeout, transport=_AsyncDoor(port))
    )


class _Door(httpx.BaseTransport):
    def __init__(self, port: BlockingPort) -> None:
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        outcome = self._exchange(request)
        if isinstance(outcome, JobsError):
            raise outcome
        return outcome

    def _exchange(self, request: httpx.Request) -> httpx.Response | JobsError:
        try:
            with quiet_logs():
                response = self._port.api.send(request, auth=self._port.wire.auth, follow_redirects=False)
        except httpx.HTTPError as error:
            return self._port.wire.failure(error, _described(request))
        return _checked(request, response, self._port.wire)


class _AsyncDoor(httpx.AsyncBaseTransport):
    def __init__(self, port: AsyncPort) -> None:
        self._port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        outcome = await self._exchange(request)
        if isinstance(outcome, JobsError):
            raise outcome
        return outcome

    async def _exchange(self, request: httpx.Request) -> httpx.Response | JobsError:
        try:
            with quiet_logs():
                response = await self._port.api.send(request, auth=self._port.wire.auth, follow_redirects=False)
        except httpx.HTTPError as error:
            return self._port.wire.failure(error, _described(request))
        return _checked(request, response, self._port.wire)


def _described(request: httpx.Request) -> Request:
    timeout = request.extensions.get("timeout", {}).get("read") or 0.0
    return Request(method=request.method, url=secret_url(str(request.url)), timeout=timeout)


def _checked(request: httpx.Request, response: httpx.Response, wire: Wire) -> httpx.Response | JobsError:
    head = head_of(response)
    what = f"{request.method} {request.url.path}"
    if head.status_code >= _FIRST_ERROR:
        return error_of(Response(head=head, body=wire.account.blanked(response.content)), what)
    is_file = head.status_code == httpx.codes.OK and request.url.path.endswith("/Download")
    if response.is_success and not is_file:
        try:
            read_json(Response(head=head, body=response.content), what)
        except JobsError as error:
            return error
    headers = [item for item in response.headers.multi_items() if item[0].lower() not in _OF_THE_ENCODED_BODY]
    return httpx.Response(head.status_code, headers=headers, content=response.content)
