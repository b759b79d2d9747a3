from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ReportAttribute")


@_attrs_define
class ReportAttribute:
    """A column of a report.

    Attributes:
        name (str | Unset): The column's name.
        data_type (str | Unset): `Boolean`, `Date (yyyy-MM-dd'T'HH:mm:ssZZ)`, `Decimal`, `Integer` or `String`. Others
            may appear.
        description (str | Unset): What the column shows. It may be empty.
    """

    name: str | Unset = UNSET
    data_type: str | Unset = UNSET
    description: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        data_type = self.data_type

        description = self.description

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if name is not UNSET:
            field_dict["Name"] = name
        if data_type is not UNSET:
            field_dict["DataType"] = data_type
        if description is not UNSET:
            field_dict["Description"] = description

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("Name", UNSET)

        data_type = d.pop("DataType", UNSET)

        description = d.pop("Description", UNSET)

        report_attribute = cls(
            name=name,
            data_type=data_type,
            description=description,
        )

        report_attribute.additional_properties = d
        return report_attribute

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
