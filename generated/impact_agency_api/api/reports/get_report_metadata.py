from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.report_metadata import ReportMetadata
from ...types import Response


def _get_kwargs(
    account_sid: str,
    report_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/Agencies/{account_sid}/Reports/{report_id}/MetaData".format(
            account_sid=quote(str(account_sid), safe=""),
            report_id=quote(str(report_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ReportMetadata | None:
    if response.status_code == 200:
        response_200 = ReportMetadata.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = cast(Any, None)
        return response_400

    if response.status_code == 401:
        response_401 = cast(Any, None)
        return response_401

    if response.status_code == 403:
        response_403 = cast(Any, None)
        return response_403

    if response.status_code == 429:
        response_429 = cast(Any, None)
        return response_429

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | ReportMetadata]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    account_sid: str,
    report_id: str,
    *,
    client: AuthenticatedClient,
) -> Response[Any | ReportMetadata]:
    """Get a report's filters and columns

     The filters that an export of the report takes, and the columns of its result.

    Args:
        account_sid (str):
        report_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ReportMetadata]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        report_id=report_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    account_sid: str,
    report_id: str,
    *,
    client: AuthenticatedClient,
) -> Any | ReportMetadata | None:
    """Get a report's filters and columns

     The filters that an export of the report takes, and the columns of its result.

    Args:
        account_sid (str):
        report_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ReportMetadata
    """

    return sync_detailed(
        account_sid=account_sid,
        report_id=report_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    account_sid: str,
    report_id: str,
    *,
    client: AuthenticatedClient,
) -> Response[Any | ReportMetadata]:
    """Get a report's filters and columns

     The filters that an export of the report takes, and the columns of its result.

    Args:
        account_sid (str):
        report_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ReportMetadata]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        report_id=report_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    account_sid: str,
    report_id: str,
    *,
    client: AuthenticatedClient,
) -> Any | ReportMetadata | None:
    """Get a report's filters and columns

     The filters that an export of the report takes, and the columns of its result.

    Args:
        account_sid (str):
        report_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ReportMetadata
    """

    return (
        await asyncio_detailed(
            account_sid=account_sid,
            report_id=report_id,
            client=client,
        )
    ).parsed
