from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.job import Job
from ...types import Response


def _get_kwargs(
    account_sid: str,
    job_id: UUID,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/Agencies/{account_sid}/Jobs/{job_id}/Replay".format(
            account_sid=quote(str(account_sid), safe=""),
            job_id=quote(str(job_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Job | None:
    if response.status_code == 200:
        response_200 = Job.from_dict(response.json())

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

    if response.status_code == 404:
        response_404 = cast(Any, None)
        return response_404

    if response.status_code == 429:
        response_429 = cast(Any, None)
        return response_429

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | Job]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    account_sid: str,
    job_id: UUID,
    *,
    client: AuthenticatedClient,
) -> Response[Any | Job]:
    """Replay a job

     Re-runs a previously executed job with the same parameters. Useful for jobs in a terminal state
    (`COMPLETED`, `CANCELLED`, `ERROR`, or `FAILED`) when fresh data is wanted over the same export
    window.

    The `Job.Replayable` field on the original job indicates whether the job can be replayed. Replaying
    creates a new job with a new `Id` — the original job is not modified.

    Args:
        account_sid (str):
        job_id (UUID):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Job]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        job_id=job_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    account_sid: str,
    job_id: UUID,
    *,
    client: AuthenticatedClient,
) -> Any | Job | None:
    """Replay a job

     Re-runs a previously executed job with the same parameters. Useful for jobs in a terminal state
    (`COMPLETED`, `CANCELLED`, `ERROR`, or `FAILED`) when fresh data is wanted over the same export
    window.

    The `Job.Replayable` field on the original job indicates whether the job can be replayed. Replaying
    creates a new job with a new `Id` — the original job is not modified.

    Args:
        account_sid (str):
        job_id (UUID):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Job
    """

    return sync_detailed(
        account_sid=account_sid,
        job_id=job_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    account_sid: str,
    job_id: UUID,
    *,
    client: AuthenticatedClient,
) -> Response[Any | Job]:
    """Replay a job

     Re-runs a previously executed job with the same parameters. Useful for jobs in a terminal state
    (`COMPLETED`, `CANCELLED`, `ERROR`, or `FAILED`) when fresh data is wanted over the same export
    window.

    The `Job.Replayable` field on the original job indicates whether the job can be replayed. Replaying
    creates a new job with a new `Id` — the original job is not modified.

    Args:
        account_sid (str):
        job_id (UUID):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Job]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        job_id=job_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    account_sid: str,
    job_id: UUID,
    *,
    client: AuthenticatedClient,
) -> Any | Job | None:
    """Replay a job

     Re-runs a previously executed job with the same parameters. Useful for jobs in a terminal state
    (`COMPLETED`, `CANCELLED`, `ERROR`, or `FAILED`) when fresh data is wanted over the same export
    window.

    The `Job.Replayable` field on the original job indicates whether the job can be replayed. Replaying
    creates a new job with a new `Id` — the original job is not modified.

    Args:
        account_sid (str):
        job_id (UUID):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Job
    """

    return (
        await asyncio_detailed(
            account_sid=account_sid,
            job_id=job_id,
            client=client,
        )
    ).parsed
