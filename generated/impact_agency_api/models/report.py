from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Report")


@_attrs_define
class Report:
    """A report of the account.

    Attributes:
        id (str | Unset): The report's id. Some reports of the web application have none.
        name (str | Unset): The report's name.
        category (str | Unset): The group of reports that it belongs to. Others may appear.
        description (str | Unset): What the report shows.
        api_accessible (bool | Unset): Whether the report can be requested through the API.
        api_run_uri (str | Unset): The path that runs the report at once, in pages.
        deferred_api_run_uri (str | Unset): The path that exports the report.
        meta_data_uri (str | Unset): The path of the report's metadata.
        run_uri (str | Unset): The path in the web application.
    """

    id: str | Unset = UNSET
    name: str | Unset = UNSET
    category: str | Unset = UNSET
    description: str | Unset = UNSET
    api_accessible: bool | Unset = UNSET
    api_run_uri: str | Unset = UNSET
    deferred_api_run_uri: str | Unset = UNSET
    meta_data_uri: str | Unset = UNSET
    run_uri: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        name = self.name

        category = self.category

        description = self.description

        api_accessible = self.api_accessible

        api_run_uri = self.api_run_uri

        deferred_api_run_uri = self.deferred_api_run_uri

        meta_data_uri = self.meta_data_uri

        run_uri = self.run_uri

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if id is not UNSET:
            field_dict["Id"] = id
        if name is not UNSET:
            field_dict["Name"] = name
        if category is not UNSET:
            field_dict["Category"] = category
        if description is not UNSET:
            field_dict["Description"] = description
        if api_accessible is not UNSET:
            field_dict["ApiAccessible"] = api_accessible
        if api_run_uri is not UNSET:
            field_dict["ApiRunUri"] = api_run_uri
        if deferred_api_run_uri is not UNSET:
            field_dict["DeferredApiRunUri"] = deferred_api_run_uri
        if meta_data_uri is not UNSET:
            field_dict["MetaDataUri"] = meta_data_uri
        if run_uri is not UNSET:
            field_dict["RunUri"] = run_uri

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("Id", UNSET)

        name = d.pop("Name", UNSET)

        category = d.pop("Category", UNSET)

        description = d.pop("Description", UNSET)

        api_accessible = d.pop("ApiAccessible", UNSET)

        api_run_uri = d.pop("ApiRunUri", UNSET)

        deferred_api_run_uri = d.pop("DeferredApiRunUri", UNSET)

        meta_data_uri = d.pop("MetaDataUri", UNSET)

        run_uri = d.pop("RunUri", UNSET)

        report = cls(
            id=id,
            name=name,
            category=category,
            description=description,
            api_accessible=api_accessible,
            api_run_uri=api_run_uri,
            deferred_api_run_uri=deferred_api_run_uri,
            meta_data_uri=meta_data_uri,
            run_uri=run_uri,
        )

        report.additional_properties = d
        return report

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
