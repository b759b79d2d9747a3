from http import HTTPStatus
from io import BytesIO
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.download_job_result_mode import DownloadJobResultMode
from ...models.job import Job
from ...types import UNSET, File, Response, Unset


def _get_kwargs(
    account_sid: str,
    job_id: UUID,
    *,
    mode: DownloadJobResultMode | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_mode: str | Unset = UNSET
    if not isinstance(mode, Unset):
        json_mode = mode.value

    params["Mode"] = json_mode

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/Agencies/{account_sid}/Jobs/{job_id}/Download".format(
            account_sid=quote(str(account_sid), safe=""),
            job_id=quote(str(job_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | File | Job | None:
    if response.status_code == 200:
        response_200 = File(payload=BytesIO(response.content))

        return response_200

    if response.status_code == 202:
        response_202 = Job.from_dict(response.json())

        return response_202

    if response.status_code == 302:
        response_302 = cast(Any, None)
        return response_302

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
) -> Response[Any | File | Job]:
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
    mode: DownloadJobResultMode | Unset = UNSET,
) -> Response[Any | File | Job]:
    """Download a job result

     Downloads the result file produced by a completed job.

    ## Response behaviour by job state

    - **Job complete** — returns the result file. By default, the response is a `302` redirect to a
    short-lived signed URL on cloud storage; pass `Mode=Stream` to receive the file bytes directly with
    HTTP `200`.
    - **Job still running** — returns HTTP `202` with the current `Job` object instead of a file. Poll
    with `GET /Jobs/{JobId}` until the job reaches `COMPLETED`.

    Args:
        account_sid (str):
        job_id (UUID):
        mode (DownloadJobResultMode | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | File | Job]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        job_id=job_id,
        mode=mode,
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
    mode: DownloadJobResultMode | Unset = UNSET,
) -> Any | File | Job | None:
    """Download a job result

     Downloads the result file produced by a completed job.

    ## Response behaviour by job state

    - **Job complete** — returns the result file. By default, the response is a `302` redirect to a
    short-lived signed URL on cloud storage; pass `Mode=Stream` to receive the file bytes directly with
    HTTP `200`.
    - **Job still running** — returns HTTP `202` with the current `Job` object instead of a file. Poll
    with `GET /Jobs/{JobId}` until the job reaches `COMPLETED`.

    Args:
        account_sid (str):
        job_id (UUID):
        mode (DownloadJobResultMode | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | File | Job
    """

    return sync_detailed(
        account_sid=account_sid,
        job_id=job_id,
        client=client,
        mode=mode,
    ).parsed


async def asyncio_detailed(
    account_sid: str,
    job_id: UUID,
    *,
    client: AuthenticatedClient,
    mode: DownloadJobResultMode | Unset = UNSET,
) -> Response[Any | File | Job]:
    """Download a job result

     Downloads the result file produced by a completed job.

    ## Response behaviour by job state

    - **Job complete** — returns the result file. By default, the response is a `302` redirect to a
    short-lived signed URL on cloud storage; pass `Mode=Stream` to receive the file bytes directly with
    HTTP `200`.
    - **Job still running** — returns HTTP `202` with the current `Job` object instead of a file. Poll
    with `GET /Jobs/{JobId}` until the job reaches `COMPLETED`.

    Args:
        account_sid (str):
        job_id (UUID):
        mode (DownloadJobResultMode | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | File | Job]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        job_id=job_id,
        mode=mode,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    account_sid: str,
    job_id: UUID,
    *,
    client: AuthenticatedClient,
    mode: DownloadJobResultMode | Unset = UNSET,
) -> Any | File | Job | None:
    """Download a job result

     Downloads the result file produced by a completed job.

    ## Response behaviour by job state

    - **Job complete** — returns the result file. By default, the response is a `302` redirect to a
    short-lived signed URL on cloud storage; pass `Mode=Stream` to receive the file bytes directly with
    HTTP `200`.
    - **Job still running** — returns HTTP `202` with the current `Job` object instead of a file. Poll
    with `GET /Jobs/{JobId}` until the job reaches `COMPLETED`.

    Args:
        account_sid (str):
        job_id (UUID):
        mode (DownloadJobResultMode | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | File | Job
    """

    return (
        await asyncio_detailed(
            account_sid=account_sid,
            job_id=job_id,
            client=client,
            mode=mode,
        )
    ).parsed
