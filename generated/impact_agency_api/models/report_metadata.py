from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.report_attribute import ReportAttribute
    from ..models.report_filter import ReportFilter


T = TypeVar("T", bound="ReportMetadata")


@_attrs_define
class ReportMetadata:
    """What a report takes and returns.

    Attributes:
        id (str | Unset): The report's id.
        name (str | Unset): The report's name.
        description (str | Unset): What the report shows.
        filters (list[ReportFilter] | Unset): What an export can be limited to.
        attributes (list[ReportAttribute] | Unset): The columns of the result.
        run_uri (str | Unset): The path that runs the report.
        uri (str | Unset): The path of this metadata.
    """

    id: str | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    filters: list[ReportFilter] | Unset = UNSET
    attributes: list[ReportAttribute] | Unset = UNSET
    run_uri: str | Unset = UNSET
    uri: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        name = self.name

        description = self.description

        filters: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.filters, Unset):
            filters = []
            for filters_item_data in self.filters:
                filters_item = filters_item_data.to_dict()
                filters.append(filters_item)

        attributes: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.attributes, Unset):
            attributes = []
            for attributes_item_data in self.attributes:
                attributes_item = attributes_item_data.to_dict()
                attributes.append(attributes_item)

        run_uri = self.run_uri

        uri = self.uri

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if id is not UNSET:
            field_dict["Id"] = id
        if name is not UNSET:
            field_dict["Name"] = name
        if description is not UNSET:
            field_dict["Description"] = description
        if filters is not UNSET:
            field_dict["Filters"] = filters
        if attributes is not UNSET:
            field_dict["Attributes"] = attributes
        if run_uri is not UNSET:
            field_dict["RunUri"] = run_uri
        if uri is not UNSET:
            field_dict["Uri"] = uri

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.report_attribute import ReportAttribute  # noqa: PLC0415
        from ..models.report_filter import ReportFilter  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("Id", UNSET)

        name = d.pop("Name", UNSET)

        description = d.pop("Description", UNSET)

        _filters = d.pop("Filters", UNSET)
        filters: list[ReportFilter] | Unset = UNSET
        if _filters is not UNSET:
            filters = []
            for filters_item_data in _filters:
                filters_item = ReportFilter.from_dict(filters_item_data)

                filters.append(filters_item)

        _attributes = d.pop("Attributes", UNSET)
        attributes: list[ReportAttribute] | Unset = UNSET
        if _attributes is not UNSET:
            attributes = []
            for attributes_item_data in _attributes:
                attributes_item = ReportAttribute.from_dict(attributes_item_data)

                attributes.append(attributes_item)

        run_uri = d.pop("RunUri", UNSET)

        uri = d.pop("Uri", UNSET)

        report_metadata = cls(
            id=id,
            name=name,
            description=description,
            filters=filters,
            attributes=attributes,
            run_uri=run_uri,
            uri=uri,
        )

        report_metadata.additional_properties = d
        return report_metadata

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
