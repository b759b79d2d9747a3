from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_status import JobStatus
from ..models.job_type import JobType
from ..types import UNSET, Unset

T = TypeVar("T", bound="Job")


@_attrs_define
class Job:
    """A scheduled job — created automatically by other endpoints (such as `ReportExport`) and tracked through its
    lifecycle.

        Attributes:
            id (UUID | Unset): The unique job identifier (UUID).
            type_ (JobType | str | Unset): The kind of work the job performs. Created automatically by the endpoint that
                schedules the job.

                | Value | Description |
                |---|---|
                | `DownloadReport` | Download an existing pre-generated report file. |
                | `ApiReport` | Asynchronous report export created via `GET /ReportExport/{ReportId}`. |
                | `UploadAds` | Bulk ad upload job. |
                | `TermModification` | Bulk modification of contract terms. |

                Additional job types may exist beyond the values listed above.
            created_by (str | Unset): The Account SID of the user or account that created this job.
            status (JobStatus | str | Unset): The current lifecycle status of the job.

                | Value | Description |
                |---|---|
                | `QUEUED` | The job is scheduled and awaiting processing. |
                | `RUNNING` | The job is actively processing. |
                | `COMPLETED` | The job finished successfully — a result file is available via the `Download` endpoint. |
                | `CANCELLED` | The job was cancelled before completion. |
                | `ERROR` | The job stopped due to an unrecoverable system error. |
                | `FAILED` | The job ran but did not produce a usable result. |
            status_message (str | Unset): A human-readable description of the current status — useful for diagnosing
                failures.
            result_uri (str | Unset): The relative URI to download the job's result file. Available once `Status` is
                `COMPLETED`.
            created_date (datetime.datetime | None | str | Unset): The date and time the job was created, in ISO 8601 format
                with UTC offset.
            started_date (datetime.datetime | None | str | Unset): The date and time the job began processing. Empty until
                the job transitions out of `QUEUED`.
            completed_date (datetime.datetime | None | str | Unset): The date and time the job finished successfully. Only
                populated when `Status` is `COMPLETED`.
            abandoned_date (datetime.datetime | None | str | Unset): The date and time the job was abandoned (timed out
                before completing).
            cancelled_date (datetime.datetime | None | str | Unset): The date and time the job was cancelled. Only populated
                when `Status` is `CANCELLED`.
            failed_date (datetime.datetime | None | str | Unset): The date and time the job entered a failed state. Only
                populated when `Status` is `FAILED` or `ERROR`.
            last_progress_update_date (datetime.datetime | None | str | Unset): The date and time `PercentageComplete` was
                last updated.
            program_id (int | str | Unset): The program (also known as `CampaignId`) the job is scoped to, if applicable.
            records_processed (int | str | Unset): The total number of records the job has processed so far.
            percentage_complete (int | str | Unset): Progress through the job, from `0` to `100`.
            replayable (bool | str | Unset): Whether this job can be replayed (re-run with the same parameters) using `PUT
                /Jobs/{JobId}/Replay`. Typically `true` for jobs in a terminal state.
    """

    id: UUID | Unset = UNSET
    type_: JobType | str | Unset = UNSET
    created_by: str | Unset = UNSET
    status: JobStatus | str | Unset = UNSET
    status_message: str | Unset = UNSET
    result_uri: str | Unset = UNSET
    created_date: datetime.datetime | None | str | Unset = UNSET
    started_date: datetime.datetime | None | str | Unset = UNSET
    completed_date: datetime.datetime | None | str | Unset = UNSET
    abandoned_date: datetime.datetime | None | str | Unset = UNSET
    cancelled_date: datetime.datetime | None | str | Unset = UNSET
    failed_date: datetime.datetime | None | str | Unset = UNSET
    last_progress_update_date: datetime.datetime | None | str | Unset = UNSET
    program_id: int | str | Unset = UNSET
    records_processed: int | str | Unset = UNSET
    percentage_complete: int | str | Unset = UNSET
    replayable: bool | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id: str | Unset = UNSET
        if not isinstance(self.id, Unset):
            id = str(self.id)

        type_: str | Unset
        if isinstance(self.type_, Unset):
            type_ = UNSET
        elif isinstance(self.type_, JobType):
            type_ = self.type_.value
        else:
            type_ = self.type_

        created_by = self.created_by

        status: str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, JobStatus):
            status = self.status.value
        else:
            status = self.status

        status_message = self.status_message

        result_uri = self.result_uri

        created_date: None | str | Unset
        if isinstance(self.created_date, Unset):
            created_date = UNSET
        elif isinstance(self.created_date, datetime.datetime):
            created_date = self.created_date.isoformat()
        else:
            created_date = self.created_date

        started_date: None | str | Unset
        if isinstance(self.started_date, Unset):
            started_date = UNSET
        elif isinstance(self.started_date, datetime.datetime):
            started_date = self.started_date.isoformat()
        else:
            started_date = self.started_date

        completed_date: None | str | Unset
        if isinstance(self.completed_date, Unset):
            completed_date = UNSET
        elif isinstance(self.completed_date, datetime.datetime):
            completed_date = self.completed_date.isoformat()
        else:
            completed_date = self.completed_date

        abandoned_date: None | str | Unset
        if isinstance(self.abandoned_date, Unset):
            abandoned_date = UNSET
        elif isinstance(self.abandoned_date, datetime.datetime):
            abandoned_date = self.abandoned_date.isoformat()
        else:
            abandoned_date = self.abandoned_date

        cancelled_date: None | str | Unset
        if isinstance(self.cancelled_date, Unset):
            cancelled_date = UNSET
        elif isinstance(self.cancelled_date, datetime.datetime):
            cancelled_date = self.cancelled_date.isoformat()
        else:
            cancelled_date = self.cancelled_date

        failed_date: None | str | Unset
        if isinstance(self.failed_date, Unset):
            failed_date = UNSET
        elif isinstance(self.failed_date, datetime.datetime):
            failed_date = self.failed_date.isoformat()
        else:
            failed_date = self.failed_date

        last_progress_update_date: None | str | Unset
        if isinstance(self.last_progress_update_date, Unset):
            last_progress_update_date = UNSET
        elif isinstance(self.last_progress_update_date, datetime.datetime):
            last_progress_update_date = self.last_progress_update_date.isoformat()
        else:
            last_progress_update_date = self.last_progress_update_date

        program_id: int | str | Unset
        if isinstance(self.program_id, Unset):
            program_id = UNSET
        else:
            program_id = self.program_id

        records_processed: int | str | Unset
        if isinstance(self.records_processed, Unset):
            records_processed = UNSET
        else:
            records_processed = self.records_processed

        percentage_complete: int | str | Unset
        if isinstance(self.percentage_complete, Unset):
            percentage_complete = UNSET
        else:
            percentage_complete = self.percentage_complete

        replayable: bool | str | Unset
        if isinstance(self.replayable, Unset):
            replayable = UNSET
        else:
            replayable = self.replayable

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if id is not UNSET:
            field_dict["Id"] = id
        if type_ is not UNSET:
            field_dict["Type"] = type_
        if created_by is not UNSET:
            field_dict["CreatedBy"] = created_by
        if status is not UNSET:
            field_dict["Status"] = status
        if status_message is not UNSET:
            field_dict["StatusMessage"] = status_message
        if result_uri is not UNSET:
            field_dict["ResultUri"] = result_uri
        if created_date is not UNSET:
            field_dict["CreatedDate"] = created_date
        if started_date is not UNSET:
            field_dict["StartedDate"] = started_date
        if completed_date is not UNSET:
            field_dict["CompletedDate"] = completed_date
        if abandoned_date is not UNSET:
            field_dict["AbandonedDate"] = abandoned_date
        if cancelled_date is not UNSET:
            field_dict["CancelledDate"] = cancelled_date
        if failed_date is not UNSET:
            field_dict["FailedDate"] = failed_date
        if last_progress_update_date is not UNSET:
            field_dict["LastProgressUpdateDate"] = last_progress_update_date
        if program_id is not UNSET:
            field_dict["ProgramId"] = program_id
        if records_processed is not UNSET:
            field_dict["RecordsProcessed"] = records_processed
        if percentage_complete is not UNSET:
            field_dict["PercentageComplete"] = percentage_complete
        if replayable is not UNSET:
            field_dict["Replayable"] = replayable

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _id = d.pop("Id", UNSET)
        id: UUID | Unset
        if isinstance(_id, Unset):
            id = UNSET
        else:
            id = UUID(_id)

        def _parse_type_(data: object) -> JobType | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                type_type_0 = JobType(data)

                return type_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JobType | str | Unset, data)

        type_ = _parse_type_(d.pop("Type", UNSET))

        created_by = d.pop("CreatedBy", UNSET)

        def _parse_status(data: object) -> JobStatus | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = JobStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JobStatus | str | Unset, data)

        status = _parse_status(d.pop("Status", UNSET))

        status_message = d.pop("StatusMessage", UNSET)

        result_uri = d.pop("ResultUri", UNSET)

        def _parse_created_date(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                created_date_type_0 = datetime.datetime.fromisoformat(data)

                return created_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        created_date = _parse_created_date(d.pop("CreatedDate", UNSET))

        def _parse_started_date(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                started_date_type_0 = datetime.datetime.fromisoformat(data)

                return started_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        started_date = _parse_started_date(d.pop("StartedDate", UNSET))

        def _parse_completed_date(
            data: object,
        ) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                completed_date_type_0 = datetime.datetime.fromisoformat(data)

                return completed_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        completed_date = _parse_completed_date(d.pop("CompletedDate", UNSET))

        def _parse_abandoned_date(
            data: object,
        ) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                abandoned_date_type_0 = datetime.datetime.fromisoformat(data)

                return abandoned_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        abandoned_date = _parse_abandoned_date(d.pop("AbandonedDate", UNSET))

        def _parse_cancelled_date(
            data: object,
        ) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                cancelled_date_type_0 = datetime.datetime.fromisoformat(data)

                return cancelled_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        cancelled_date = _parse_cancelled_date(d.pop("CancelledDate", UNSET))

        def _parse_failed_date(data: object) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                failed_date_type_0 = datetime.datetime.fromisoformat(data)

                return failed_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        failed_date = _parse_failed_date(d.pop("FailedDate", UNSET))

        def _parse_last_progress_update_date(
            data: object,
        ) -> datetime.datetime | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_progress_update_date_type_0 = datetime.datetime.fromisoformat(data)

                return last_progress_update_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | str | Unset, data)

        last_progress_update_date = _parse_last_progress_update_date(
            d.pop("LastProgressUpdateDate", UNSET)
        )

        def _parse_program_id(data: object) -> int | str | Unset:
            if isinstance(data, Unset):
                return data
            return cast(int | str | Unset, data)

        program_id = _parse_program_id(d.pop("ProgramId", UNSET))

        def _parse_records_processed(data: object) -> int | str | Unset:
            if isinstance(data, Unset):
                return data
            return cast(int | str | Unset, data)

        records_processed = _parse_records_processed(d.pop("RecordsProcessed", UNSET))

        def _parse_percentage_complete(data: object) -> int | str | Unset:
            if isinstance(data, Unset):
                return data
            return cast(int | str | Unset, data)

        percentage_complete = _parse_percentage_complete(
            d.pop("PercentageComplete", UNSET)
        )

        def _parse_replayable(data: object) -> bool | str | Unset:
            if isinstance(data, Unset):
                return data
            return cast(bool | str | Unset, data)

        replayable = _parse_replayable(d.pop("Replayable", UNSET))

        job = cls(
            id=id,
            type_=type_,
            created_by=created_by,
            status=status,
            status_message=status_message,
            result_uri=result_uri,
            created_date=created_date,
            started_date=started_date,
            completed_date=completed_date,
            abandoned_date=abandoned_date,
            cancelled_date=cancelled_date,
            failed_date=failed_date,
            last_progress_update_date=last_progress_update_date,
            program_id=program_id,
            records_processed=records_processed,
            percentage_complete=percentage_complete,
            replayable=replayable,
        )

        job.additional_properties = d
        return job

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
