from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ReportFilter")


@_attrs_define
class ReportFilter:
    """A filter of a report.

    Attributes:
        name (str | Unset): The filter's name, such as "Start Date". In a request, spaces become underscores and letters
            capitals.
        data_type (str | Unset): `Boolean`, `Date (yyyy-MM-dd'T'HH:mm:ssZZ)`, `Decimal`, `Integer` or `String`. Others
            may appear.
        format_ (str | Unset): The form of a date, such as `yyyy-MM-dd`, or empty.
    """

    name: str | Unset = UNSET
    data_type: str | Unset = UNSET
    format_: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        data_type = self.data_type

        format_ = self.format_

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if name is not UNSET:
            field_dict["Name"] = name
        if data_type is not UNSET:
            field_dict["DataType"] = data_type
        if format_ is not UNSET:
            field_dict["Format"] = format_

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("Name", UNSET)

        data_type = d.pop("DataType", UNSET)

        format_ = d.pop("Format", UNSET)

        report_filter = cls(
            name=name,
            data_type=data_type,
            format_=format_,
        )

        report_filter.additional_properties = d
        return report_filter

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
