import datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.export_report_result_format import ExportReportResultFormat
from ...models.report_export_response import ReportExportResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    account_sid: str,
    report_id: str,
    *,
    result_format: ExportReportResultFormat | Unset = ExportReportResultFormat.CSV,
    start_date: datetime.date | Unset = UNSET,
    end_date: datetime.date | Unset = UNSET,
    subaid: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_result_format: str | Unset = UNSET
    if not isinstance(result_format, Unset):
        json_result_format = result_format.value

    params["ResultFormat"] = json_result_format

    json_start_date: str | Unset = UNSET
    if not isinstance(start_date, Unset):
        json_start_date = start_date.isoformat()
    params["START_DATE"] = json_start_date

    json_end_date: str | Unset = UNSET
    if not isinstance(end_date, Unset):
        json_end_date = end_date.isoformat()
    params["END_DATE"] = json_end_date

    params["SUBAID"] = subaid

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/Agencies/{account_sid}/ReportExport/{report_id}".format(
            account_sid=quote(str(account_sid), safe=""),
            report_id=quote(str(report_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ReportExportResponse | None:
    if response.status_code == 200:
        response_200 = ReportExportResponse.from_dict(response.json())

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
) -> Response[Any | ReportExportResponse]:
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
    result_format: ExportReportResultFormat | Unset = ExportReportResultFormat.CSV,
    start_date: datetime.date | Unset = UNSET,
    end_date: datetime.date | Unset = UNSET,
    subaid: str | Unset = UNSET,
) -> Response[Any | ReportExportResponse]:
    """Schedule the export of a report

     Creates a job whose result is the report. A request that equals an earlier one answers with the
    existing job. Besides the parameters below, each report takes filters of its own, which its metadata
    lists: "Start Date" becomes `START_DATE`. Wrong input is answered by status 200 and `"Status":
    "ERROR"`.

    Args:
        account_sid (str):
        report_id (str):
        result_format (ExportReportResultFormat | Unset):  Default: ExportReportResultFormat.CSV.
        start_date (datetime.date | Unset):
        end_date (datetime.date | Unset):
        subaid (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ReportExportResponse]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        report_id=report_id,
        result_format=result_format,
        start_date=start_date,
        end_date=end_date,
        subaid=subaid,
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
    result_format: ExportReportResultFormat | Unset = ExportReportResultFormat.CSV,
    start_date: datetime.date | Unset = UNSET,
    end_date: datetime.date | Unset = UNSET,
    subaid: str | Unset = UNSET,
) -> Any | ReportExportResponse | None:
    """Schedule the export of a report

     Creates a job whose result is the report. A request that equals an earlier one answers with the
    existing job. Besides the parameters below, each report takes filters of its own, which its metadata
    lists: "Start Date" becomes `START_DATE`. Wrong input is answered by status 200 and `"Status":
    "ERROR"`.

    Args:
        account_sid (str):
        report_id (str):
        result_format (ExportReportResultFormat | Unset):  Default: ExportReportResultFormat.CSV.
        start_date (datetime.date | Unset):
        end_date (datetime.date | Unset):
        subaid (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ReportExportResponse
    """

    return sync_detailed(
        account_sid=account_sid,
        report_id=report_id,
        client=client,
        result_format=result_format,
        start_date=start_date,
        end_date=end_date,
        subaid=subaid,
    ).parsed


async def asyncio_detailed(
    account_sid: str,
    report_id: str,
    *,
    client: AuthenticatedClient,
    result_format: ExportReportResultFormat | Unset = ExportReportResultFormat.CSV,
    start_date: datetime.date | Unset = UNSET,
    end_date: datetime.date | Unset = UNSET,
    subaid: str | Unset = UNSET,
) -> Response[Any | ReportExportResponse]:
    """Schedule the export of a report

     Creates a job whose result is the report. A request that equals an earlier one answers with the
    existing job. Besides the parameters below, each report takes filters of its own, which its metadata
    lists: "Start Date" becomes `START_DATE`. Wrong input is answered by status 200 and `"Status":
    "ERROR"`.

    Args:
        account_sid (str):
        report_id (str):
        result_format (ExportReportResultFormat | Unset):  Default: ExportReportResultFormat.CSV.
        start_date (datetime.date | Unset):
        end_date (datetime.date | Unset):
        subaid (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ReportExportResponse]
    """

    kwargs = _get_kwargs(
        account_sid=account_sid,
        report_id=report_id,
        result_format=result_format,
        start_date=start_date,
        end_date=end_date,
        subaid=subaid,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    account_sid: str,
    report_id: str,
    *,
    client: AuthenticatedClient,
    result_format: ExportReportResultFormat | Unset = ExportReportResultFormat.CSV,
    start_date: datetime.date | Unset = UNSET,
    end_date: datetime.date | Unset = UNSET,
    subaid: str | Unset = UNSET,
) -> Any | ReportExportResponse | None:
    """Schedule the export of a report

     Creates a job whose result is the report. A request that equals an earlier one answers with the
    existing job. Besides the parameters below, each report takes filters of its own, which its metadata
    lists: "Start Date" becomes `START_DATE`. Wrong input is answered by status 200 and `"Status":
    "ERROR"`.

    Args:
        account_sid (str):
        report_id (str):
        result_format (ExportReportResultFormat | Unset):  Default: ExportReportResultFormat.CSV.
        start_date (datetime.date | Unset):
        end_date (datetime.date | Unset):
        subaid (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ReportExportResponse
    """

    return (
        await asyncio_detailed(
            account_sid=account_sid,
            report_id=report_id,
            client=client,
            result_format=result_format,
            start_date=start_date,
            end_date=end_date,
            subaid=subaid,
        )
    ).parsed
