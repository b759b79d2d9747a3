"""How a connection of Airflow is read. Airflow itself is not needed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import define
from impact_jobs import ConfigurationError, Polling
from impact_jobs.airflow._settings import ConnectionSettings, optional_text, polling_of

TOKEN = "the-token-itself"


@define(kw_only=True)
class FakeConnection:
    conn_type: str | None = "impact"
    host: str | None = None
    schema: str | None = None
    login: str | None = "IRabc"
    password: str | None = TOKEN
    port: int | None = None
    extra: str | None = None


def read(**fields: Any) -> ConnectionSettings:
    extra = fields.pop("extra", None)
    text = json.dumps(extra) if isinstance(extra, dict) else extra
    return ConnectionSettings.read(FakeConnection(extra=text, **fields))


def test_an_empty_host_is_the_vendors() -> None:
    settings = read()

    assert (settings.account_sid, settings.auth_token) == ("IRabc", TOKEN)
    assert settings.base_url == "https://api.impact.com"
    assert (settings.account, settings.advertiser_id, settings.report_url) == ("agency", None, None)


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": ""}, "https://api.impact.com"),
        ({"host": "gateway.example"}, "https://gateway.example"),
        ({"host": " https://gateway.example/impact "}, "https://gateway.example/impact"),
        ({"host": "gateway.example/impact", "port": 8443}, "https://gateway.example:8443/impact"),
        ({"host": "gateway.example:9443", "port": 8443}, "https://gateway.example:9443"),
        ({"host": "127.0.0.1:8000", "schema": "http"}, "http://127.0.0.1:8000"),
        ({"host": "127.0.0.1", "port": 8000, "schema": "http"}, "http://127.0.0.1:8000"),
        ({"host": "http://127.0.0.1", "port": 8000, "schema": ""}, "http://127.0.0.1:8000"),
        ({"host": "http://127.0.0.1", "schema": "https"}, "http://127.0.0.1"),
        ({"host": "::1", "port": 8000, "schema": "http"}, "http://[::1]:8000"),  # as Airflow reads a URI
        ({"host": "http://[::1]", "port": 8000}, "http://[::1]:8000"),
        ({"host": "http://[::1]:8000"}, "http://[::1]:8000"),
    ],
)
def test_the_host_is_read_with_and_without_scheme_and_port(fields: dict[str, Any], base_url: str) -> None:
    assert read(**fields).base_url == base_url


@pytest.mark.parametrize(
    "extra",
    [
        {"account_kind": "agency", "advertiser_id": 2747168, "report_url": "https://app.example/{report_id}"},
        {"account_kind": "agency", "advertiser_id": " 2747168 ", "report_url": "https://app.example/{report_id}"},
    ],
)
def test_the_extra_is_read_with_numbers_as_text_or_not(extra: dict[str, object]) -> None:
    settings = read(extra=extra)

    assert (settings.account, settings.advertiser_id) == ("agency", "2747168")
    assert settings.report_page("a b/c") == "https://app.example/a%20b%2Fc"


@pytest.mark.parametrize("extra", [{}, {"account_kind": None, "advertiser_id": "", "report_url": None}, "", None, "{}"])
def test_empty_fields_of_the_form_are_as_if_they_were_missing(extra: object) -> None:
    settings = read(extra=extra)

    assert (settings.account, settings.advertiser_id, settings.report_page("a")) == ("agency", None, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conn_type": "aws"}, "its type is 'aws', not 'impact'"),
        ({"login": None}, "its login, the Account SID, is empty"),
        ({"login": ""}, "its login, the Account SID, is empty"),
        ({"password": None}, "its password, the Auth Token, is empty"),
        ({"schema": "ftp", "host": "gateway.example"}, "its schema is 'ftp'"),
        ({"port": 8000}, "it has a port, but no host"),
        ({"extra": "{broken"}, "its extra is not a JSON object"),
        ({"extra": '["agency"]'}, "its extra is not a JSON object"),
        ({"extra": {"account_kind": "agensy"}}, "its extra account_kind='agensy' is not a kind.* 'agency'"),
        ({"extra": {"account_kind": 7}}, "its extra account_kind is a int"),
    ],
)
def test_a_bad_field_is_named_as_airflow_names_it(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        read(**fields)

    assert TOKEN not in str(caught.value)


def test_no_type_at_all_is_accepted() -> None:
    assert read(conn_type=None).account_sid == "IRabc"  # as in AIRFLOW_CONN_* as JSON


@pytest.mark.parametrize(
    "url", ["app.example/{report_id}", "javascript:alert(1)", "https://u:p@app.example/{report_id}", "https://"]
)
def test_an_address_of_a_report_is_one_of_the_web(url: str) -> None:
    with pytest.raises(ConfigurationError, match="its extra report_url is not a web address"):
        read(extra={"report_url": url}).report_page("agency_action_listing")


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(read())


@pytest.mark.parametrize(
    ("values", "polling"),
    [
        (None, None),
        ({}, Polling()),
        ({"minimum": 5}, Polling(minimum=5)),
        ({"minimum": "5", "maximum": "120"}, Polling(minimum=5, maximum=120)),
    ],
)
def test_polling_is_read_from_numbers_and_rendered_templates(
    values: dict[str, Any] | None, polling: Polling | None
) -> None:
    assert polling_of(values) == polling


@pytest.mark.parametrize(
    "values", [{"min": 5}, {"minimum": "soon"}, {"minimum": None}, {"minimum": 10, "maximum": 5}, 5]
)
def test_wrong_polling_is_refused(values: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"(?i)polling"):
        polling_of(values)


@pytest.mark.parametrize(("value", "text"), [(None, None), ("", None), (" ", None), (7, "7"), (" 7 ", "7")])
def test_an_optional_value_is_text_or_none(value: object, text: str | None) -> None:
    assert optional_text(value) == text
