import datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.job import Job
from ...types import UNSET, Response, Unset


def _get_kwargs(
    account_sid: str,
    *,
    created_after: datetime.date | Unset = UNSET,
    created_before: datetime.date | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_created_after: str | Unset = UNSET
    if not isinstance(created_after, Unset):
        json_created_after = created_after.isoformat()
    params["CreatedAfter"] = json_created_after

    json_created_before: str | Unset = UNSET
    if not isinstance(created_before, Unset):
        json_created_before = created_before.isoformat()
    params["CreatedBefore"] = json_created_before

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/Agencies/{account_sid}/Jobs".format(
            account_sid=quote(str(account_sid), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | list[Job] | None:
    if response.status_code == 200:
        response_200 = []
        _response_200 = response.json()
        for response_200_item_data in _response_200:
            response_200_item = Job.from_dict(response_200_item_data)

            response_200.append(response_200_item)

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
) -> Response[Any | list[Job]]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    account_sid: str,
    *,
    client: AuthenticatedClient,
    created_after: datetime.date | Unset = UNSET,
    created_before: datetime.date | Unset = UNSET,
) -> Response[Any | list[Job]]:
    """List all jobs

     Returns the jobs scheduled by this agency account. Use the optional date filters to narrow results
    to a specific window.

    Args:
        account_sid (str):
        created_after (datetime.date | Unset):
        created_before (datetime.date | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | list[Job]]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        created_after=created_after,
        created_before=created_before,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    account_sid: str,
    *,
    client: AuthenticatedClient,
    created_after: datetime.date | Unset = UNSET,
    created_before: datetime.date | Unset = UNSET,
) -> Any | list[Job] | None:
    """List all jobs

     Returns the jobs scheduled by this agency account. Use the optional date filters to narrow results
    to a specific window.

    Args:
        account_sid (str):
        created_after (datetime.date | Unset):
        created_before (datetime.date | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | list[Job]
    """

    return sync_detailed(
        account_sid=account_sid,
        client=client,
        created_after=created_after,
        created_before=created_before,
    ).parsed


async def asyncio_detailed(
    account_sid: str,
    *,
    client: AuthenticatedClient,
    created_after: datetime.date | Unset = UNSET,
    created_before: datetime.date | Unset = UNSET,
) -> Response[Any | list[Job]]:
    """List all jobs

     Returns the jobs scheduled by this agency account. Use the optional date filters to narrow results
    to a specific window.

    Args:
        account_sid (str):
        created_after (datetime.date | Unset):
        created_before (datetime.date | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | list[Job]]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        created_after=created_after,
        created_before=created_before,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    account_sid: str,
    *,
    client: AuthenticatedClient,
    created_after: datetime.date | Unset = UNSET,
    created_before: datetime.date | Unset = UNSET,
) -> Any | list[Job] | None:
    """List all jobs

     Returns the jobs scheduled by this agency account. Use the optional date filters to narrow results
    to a specific window.

    Args:
        account_sid (str):
        created_after (datetime.date | Unset):
        created_before (datetime.date | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | list[Job]
    """

    return (
        await asyncio_detailed(
            account_sid=account_sid,
            client=client,
            created_after=created_after,
            created_before=created_before,
        )
    ).parsed
