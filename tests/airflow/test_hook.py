from __future__ import annotations

import asyncio
import pickle
import re
import traceback
import warnings
from typing import Any

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.models.connection import Connection as ServerConnection
from airflow.providers_manager import ProvidersManager, _create_provider_info_schema_validator
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException
from impact_jobs.airflow import ImpactHook
from impact_jobs.airflow.links import ImpactReportLink
from impact_jobs.airflow.provider_info import get_provider_info
from impact_jobs.sandbox import Sandbox
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from tests.airflow.connections import CONN_ID, connection_to, set_connection


@pytest.fixture
def sandbox() -> Any:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


def test_the_provider_info_satisfies_airflows_schema() -> None:
    validator = _create_provider_info_schema_validator()

    validator.validate(get_provider_info())
    assert isinstance(validator, Draft7Validator)


def test_airflow_finds_the_connection_type_its_form_and_the_hook() -> None:
    manager = ProvidersManager()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow 3.2 says that tasks have a manager of their own
        found = manager.hooks["impact"]
        widgets = {
            each.field_name: each.field
            for each in manager.connection_form_widgets.values()
            if each.hook_class_name == "impact_jobs.airflow.hook.ImpactHook"
        }

    assert found is not None
    assert (found.hook_name, found.connection_id_attribute_name) == ("impact.com", "impact_conn_id")
    assert found.connection_testable
    assert widgets.keys() == {"account_kind", "advertiser_id", "report_url"}
    assert widgets["account_kind"]["schema"]["enum"] == ["agency", "brand", "partner"]
    assert manager.field_behaviours["impact"]["relabeling"]["login"] == "Account SID"
    assert manager.field_behaviours["impact"]["placeholders"]["host"] == "https://api.impact.com"
    assert "impact_jobs.airflow.links.ImpactReportLink" in manager.extra_links_class_names


def test_the_ui_gets_the_form() -> None:
    (form,) = [each for each in HookMetaService.hook_meta_data() if each.connection_type == "impact"]

    assert form.hook_name == "impact.com"
    assert form.standard_fields is not None
    assert form.standard_fields.password is not None
    assert form.standard_fields.password.title == "Auth Token"
    assert form.extra_fields is not None
    assert list(form.extra_fields) == ["account_kind", "advertiser_id", "report_url"]


@pytest.mark.parametrize(
    "uri",
    [
        "impact://http://{sid}:{token}@{netloc}/?account_kind=agency",
        "impact://{sid}:{token}@{netloc}/http?account_kind=agency",
        "impact://{sid}:{token}@{netloc}/http?__extra__=%7B%22account_kind%22%3A%20%22agency%22%7D",
    ],
)
def test_a_connection_as_a_uri_works(uri: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    netloc = sandbox.base_url.removeprefix("http://")
    set_connection(monkeypatch, uri.format(sid=sandbox.account_sid, token=sandbox.auth_token, netloc=netloc))
    job_id = sandbox.add_job()

    with ImpactHook(CONN_ID).get_conn() as jobs:
        assert jobs.get(job_id).status == "COMPLETED"


def test_a_connection_survives_the_way_through_airflows_own_uri(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = connection_to(
        sandbox, password="p%/@:?&#=+ö", extra='{"report_url": "https://app.example/?r={report_id}"}'
    )
    uri = Connection(conn_id="written", **fields).get_uri()
    set_connection(monkeypatch, uri)

    settings = ImpactHook(CONN_ID)._settings()

    assert (settings.account_sid, settings.auth_token) == (sandbox.account_sid, "p%/@:?&#=+ö")
    assert settings.base_url == sandbox.base_url
    assert settings.report_page("a") == "https://app.example/?r=a"


def test_a_connection_as_json_works_in_asyncio(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, connection_to(sandbox))
    job_id = sandbox.add_job()

    async def status() -> object:
        async with await ImpactHook(CONN_ID).get_async_conn(request_timeout=60.0) as jobs:
            return (await jobs.get(job_id)).status

    assert asyncio.run(status()) == "COMPLETED"


@pytest.mark.parametrize(
    ("in_connection", "in_task", "brand"),
    [("2747168", None, "2747168"), (2747168, "", "2747168"), ("2747168", "99", "99"), (None, 99, "99")],
)
def test_the_brand_of_a_task_replaces_that_of_the_connection(
    in_connection: object, in_task: Any, brand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(job_seconds=0, advertisers=(99, 2747168)) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox, extra={"advertiser_id": in_connection}))
        job_id = sandbox.add_job(advertiser=int(brand))

        with ImpactHook(CONN_ID, advertiser_id=in_task).get_conn() as jobs:
            assert jobs.get(job_id).id == job_id


@pytest.mark.parametrize(
    ("fields", "advertiser_id", "message"),
    [
        ({"login": ""}, None, "its login, the Account SID, is empty"),
        ({"extra": {"account_kind": "agensy"}}, None, "its extra account_kind='agensy' is not a kind of account"),
        ({"extra": {"advertiser_id": "IRbrand"}}, None, "advertiser_id='IRbrand' is not a brand's numeric account id"),
        ({}, "seven", "advertiser_id='seven' is not a brand's numeric account id"),
        (
            {"extra": {"account_kind": "brand", "advertiser_id": "7"}},
            None,
            "advertiser_id needs .* 'agency', not 'brand'",
        ),
        ({"host": "http://gateway.example"}, None, "would send the token in clear text: use https"),
        ({"host": "https://u:p@gateway.example"}, None, "base_url contains credentials"),
        ({"password": "two words"}, None, "auth_token has white space"),
    ],
)
def test_a_bad_connection_is_one_line_that_names_it_and_is_final(
    fields: dict[str, object],
    advertiser_id: str | None,
    message: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_connection(monkeypatch, connection_to(sandbox, **fields))

    with pytest.raises(AirflowFailException, match=f"^connection '{CONN_ID}': .*{message}") as caught:
        ImpactHook(CONN_ID, advertiser_id=advertiser_id).get_conn()

    assert "\n" not in str(caught.value)


def test_an_unknown_connection_is_one_line_that_says_what_to_do() -> None:
    message = r"^connection 'impact_tset' is not defined: create it \(.*\), or correct impact_conn_id\.$"
    hook = ImpactHook("impact_tset")

    with pytest.raises(AirflowFailException, match=message):
        hook.get_conn()
    with pytest.raises(AirflowFailException, match=message):
        asyncio.run(hook.get_async_conn())
    is_ok, text = hook.test_connection()
    assert not is_ok
    assert re.match(message, text)


def test_a_connection_of_another_service_is_not_sent_to_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, {"conn_type": "aws", "login": "AKIA", "password": "another-secret"})

    with pytest.raises(AirflowFailException, match="its type is 'aws', not 'impact'"):
        ImpactHook(CONN_ID).get_conn()


def test_the_button_says_what_was_reached_with_one_request(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, connection_to(sandbox))

    is_ok, text = ImpactHook(CONN_ID).test_connection()

    assert is_ok
    assert text.startswith(f"Connected to the agency account {sandbox.account_sid} at {sandbox.base_url}; 999 of 1000 ")
    assert len(sandbox.requests) == 1


def test_the_button_works_on_a_connection_that_is_not_saved(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = connection_to(sandbox, extra='{"account_kind": "agency"}')
    connection = ServerConnection(conn_id="not_saved", **fields)
    set_connection(monkeypatch, connection.get_uri(), conn_id="not_saved")  # as the API server does

    assert connection.test_connection()[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "The Account SID and the Auth Token do not match (HTTP 401)"),
        ({"extra": {"account_kind": "brand"}}, "The API refused the brand account"),
        ({"host": "http://127.0.0.1:1"}, "http://127.0.0.1:1 cannot be reached: "),
        (
            {"extra": {"report_url": "javascript:1"}},
            f"connection '{CONN_ID}': its extra report_url is not a web address",
        ),
        ({"extra": {"account_kind": "agensy"}}, f"connection '{CONN_ID}': its extra account_kind='agensy' is not"),
    ],
)
def test_the_button_says_what_to_correct(
    changes: dict[str, object], message: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, connection_to(sandbox, **changes))

    is_ok, text = ImpactHook(CONN_ID).test_connection()

    assert not is_ok
    assert text.startswith(message)
    assert "\n" not in text
    assert sandbox.auth_token not in text


def test_the_button_reports_a_server_that_is_not_the_api(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, connection_to(sandbox))
    sandbox.answer_next("GET", "/Jobs", status=200, body="<html>Sign in</html>", headers={"Content-Type": "text/html"})

    is_ok, text = ImpactHook(CONN_ID).test_connection()

    assert not is_ok
    assert "HTML instead of JSON" in text


def test_the_button_says_if_no_requests_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(hourly_budget=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        hook = ImpactHook(CONN_ID)
        assert hook.test_connection()[0]

        is_ok, text = hook.test_connection()

    assert not is_ok
    assert text.startswith("The credentials were not checked, because the account has no requests left")


@pytest.mark.parametrize("changes", [{"host": "https://api example"}, {"extra": {"account_kind": "agensy"}}])
def test_the_token_is_not_in_a_hook_or_an_error(
    changes: dict[str, object], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, connection_to(sandbox, **changes))
    hook = ImpactHook(CONN_ID)

    with pytest.raises(AirflowFailException) as caught:
        hook.get_conn()
    with pytest.raises(AirflowFailException) as caught_in_asyncio:
        asyncio.run(hook.get_async_conn())

    texts = [repr(hook), str(vars(hook)), str(pickle.dumps(hook))]
    for error in (caught.value, caught_in_asyncio.value):
        frames = traceback.TracebackException.from_exception(error, capture_locals=True)
        # Only our own frames; the caller's is this test, whose variables have the token.
        texts += [str(frame.locals) for frame in frames.stack if "impact_jobs" in frame.filename]
    assert len(texts) > len((hook, caught, caught_in_asyncio))
    for text in texts:
        assert sandbox.auth_token not in text


class Task:
    impact_conn_id = CONN_ID
    report_id = "agency_action_listing"


def test_the_link_leads_to_the_page_that_the_connection_names(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, connection_to(sandbox, extra={"report_url": "https://app.example/reports/{report_id}"}))

    link: Any = ImpactReportLink()

    assert link.get_link(Task(), ti_key=None) == "https://app.example/reports/agency_action_listing"


@pytest.mark.parametrize("extra", [{}, {"report_url": "javascript:1"}])
def test_there_is_no_link_if_the_address_is_not_known_or_wrong(
    extra: dict[str, object], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, connection_to(sandbox, extra=extra))

    link: Any = ImpactReportLink()

    assert link.get_link(Task(), ti_key=None) == ""
