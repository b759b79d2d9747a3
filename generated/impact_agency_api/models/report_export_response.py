from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ReportExportResponse")


@_attrs_define
class ReportExportResponse:
    """The URIs of a scheduled job; or `ERROR` and a message.

    Attributes:
        status (str | Unset): The status of the job, or `ERROR`. An existing job may have any status.
        queued_uri (str | Unset): The path of the job.
        result_uri (str | Unset): The path of the job's download.
        replay_uri (str | Unset): The path of the job's replay. It may be missing.
        message (str | Unset): What is wrong, if the status is `ERROR`.
    """

    status: str | Unset = UNSET
    queued_uri: str | Unset = UNSET
    result_uri: str | Unset = UNSET
    replay_uri: str | Unset = UNSET
    message: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        queued_uri = self.queued_uri

        result_uri = self.result_uri

        replay_uri = self.replay_uri

        message = self.message

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if status is not UNSET:
            field_dict["Status"] = status
        if queued_uri is not UNSET:
            field_dict["QueuedUri"] = queued_uri
        if result_uri is not UNSET:
            field_dict["ResultUri"] = result_uri
        if replay_uri is not UNSET:
            field_dict["ReplayUri"] = replay_uri
        if message is not UNSET:
            field_dict["Message"] = message

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = d.pop("Status", UNSET)

        queued_uri = d.pop("QueuedUri", UNSET)

        result_uri = d.pop("ResultUri", UNSET)

        replay_uri = d.pop("ReplayUri", UNSET)

        message = d.pop("Message", UNSET)

        report_export_response = cls(
            status=status,
            queued_uri=queued_uri,
            result_uri=result_uri,
            replay_uri=replay_uri,
            message=message,
        )

        report_export_response.additional_properties = d
        return report_export_response

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
