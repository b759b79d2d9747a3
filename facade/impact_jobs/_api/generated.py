"""The generated client over our connections and with our errors: for operations that the facade lacks."""

from __future__ import annotations

import math
import re

import httpx
from attrs import evolve
from impact_agency_api import AuthenticatedClient

from impact_jobs._account import Account
from impact_jobs._account_kinds import AGENCY
from impact_jobs._api.responses import error_of, read_json
from impact_jobs._redaction import secret_url
from impact_jobs._transport.asynchronous import AsyncTransport
from impact_jobs._transport.base import Head, Request, Response, Transport, read_all
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.errors import ConfigurationError

_FIRST_ERROR = 400
# A successful response of another type is a file, such as a PDF. JSON is requested, and gateways send text or markup.
_NO_FILE = re.compile(r"|application/json|application/xml|text/(html|plain|xml)|.*\+(json|xml)")
# httpx sets these again for the decoded body that we pass on.
_OF_THE_ENCODED_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def generated_client(
    transport: BlockingTransport | AsyncTransport, account: Account, *, request_timeout: float
) -> AuthenticatedClient:
    """Return the generated client for `account`, over the connections of `transport`.

    Its operations are those of an agency: on the client of a brand or partner, they are refused, and only its httpx
    client is of use.

    It gets no token, because its `repr` would print it: the transport adds the credentials. The transport also asks for
    JSON, which generated code does not, and raises the documented errors before generated code parses a response.
    """
    base_url, headers = account.base_url, {**transport.builder.headers, "IR-Version": account.kind.api_version}
    client = AuthenticatedClient(base_url=base_url, token="", prefix="Basic")
    adapter = _Adapter(transport, account)
    if isinstance(transport, BlockingTransport):
        return client.set_httpx_client(
            httpx.Client(base_url=base_url, headers=headers, timeout=request_timeout, transport=adapter)
        )
    return client.set_async_httpx_client(
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=request_timeout, transport=adapter)
    )


class _Adapter(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Lets an httpx client send its requests through our transport."""

    def __init__(self, transport: Transport, account: Account) -> None:
        self._transport = transport
        self._account = account

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return run_sync(_exchange(self._transport, self._account, _request_of(request, request.read())))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await _exchange(self._transport, self._account, _request_of(request, await request.aread()))


def _request_of(request: httpx.Request, content: bytes) -> Request:
    timeout = request.extensions.get("timeout", {}).get("read")
    return Request(
        method=request.method,
        url=secret_url(str(request.url)),
        headers=dict(request.headers),
        content=content,
        timeout=math.inf if timeout is None else timeout,
    )


async def _exchange(transport: Transport, account: Account, request: Request) -> httpx.Response:
    if not account.covers(request.url.reveal()):
        raise ConfigurationError(f"{request.url} is not below {account.base_url}: the token is sent nowhere else.")
    _check_scope(account, request)
    path = httpx.URL(request.url.reveal()).path
    what = f"{request.method} {path}"
    stream = await transport.open(request)
    status_code = stream.head.status_code
    # Generated code reads a file into memory, however large it is and however long that takes.
    is_file = status_code == httpx.codes.OK and (path.endswith("/Download") or _has_file_type(stream.head))
    response = evolve(await read_all(stream, request, is_limited=not is_file), redact=account.redact)
    if status_code >= _FIRST_ERROR:
        raise error_of(response, what)
    if httpx.codes.is_success(status_code) and not is_file and status_code != httpx.codes.NO_CONTENT:
        read_json(response, what)
    return _for_generated_code(response)


def _check_scope(account: Account, request: Request) -> None:
    """Refuse a path of another account; the agency's own client may request those of its brands."""
    below, own = account.path_below(request.url.reveal()) or [], account.path.split("/")[1:]
    if account.kind != AGENCY and below[: len(own)] != own:
        raise ConfigurationError(
            f"{request.url} is not below {account.path}, and the generated operations are those of an agency: request "
            f"a path such as '{account.path}/Jobs' by jobs.generated.get_httpx_client(), or use the agency's client."
        )


def _has_file_type(head: Head) -> bool:
    media_type = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not _NO_FILE.fullmatch(media_type)


def _for_generated_code(response: Response) -> httpx.Response:
    fields = dict(response.head.headers)
    if response.head.location is not None:
        fields["location"] = response.head.location.reveal()
    # As bytes, because httpx accepts only ASCII in the text of a header.
    headers = [(name.encode(), value.encode()) for name, value in fields.items() if name not in _OF_THE_ENCODED_BODY]
    return httpx.Response(response.head.status_code, headers=headers, content=response.body)
