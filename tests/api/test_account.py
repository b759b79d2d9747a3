from __future__ import annotations

import base64
import json
import time
import traceback
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_agency_api.models import Job as GeneratedJob
from impact_jobs import ConfigurationError, Job, JobStatus
from impact_jobs._account import DEFAULT_BASE_URL, Account, is_internal, is_loopback, setting
from impact_jobs._account_kinds import AGENCY, BRAND, PARTNER, AccountKind, account_kind
from impact_jobs._redaction import Secret, secret_url

from tests.support.simulated import JOB_ID

SID = "IRabc.DEF-1~_2"
TOKEN = "canary-token-6d1f"
JOB_PATH = f"/Agencies/{SID}/Jobs/{JOB_ID}"


def account(
    base_url: str = DEFAULT_BASE_URL, *, sid: str = SID, token: str = TOKEN, kind: AccountKind = AGENCY
) -> Account:
    return Account.create(sid, Secret(token), secret_url(base_url), kind=kind)


SCOPES = {
    "agency": account(),
    "other agency": account(sid="IRother"),
    "brand": account(kind=BRAND),
    "partner": account(kind=PARTNER),
    "passthrough": account().for_advertiser(2747168),
    "other passthrough": account().for_advertiser("7"),
    "passthrough of the other agency": account(sid="IRother").for_advertiser(2747168),
}


def expected_client(own: str, other: str) -> str:
    if other in {"brand", "partner"}:
        return f"JobsClient('{SID}', …, account='{other}')"
    advertiser = SCOPES[other].advertiser
    call = "" if advertiser is None else f".for_advertiser({advertiser})"
    if SCOPES[own].path.split("/")[1:3] != SCOPES[other].path.split("/")[1:3]:
        return f"JobsClient('{SCOPES[other].sid}', …, account='agency'){call}"
    if SCOPES[own].advertiser is None:
        return f"jobs{call}"
    return f"the agency's own client{call and ', and its '}{call[1:]}"


class TestJobId:
    @given(st.uuids(), st.sampled_from([str.lower, str.upper]))
    def test_every_reference_to_a_job_gives_its_id(self, uuid: UUID, case: Any) -> None:
        text = case(str(uuid))
        path = f"/Agencies/{SID}/Jobs/{text}"
        names = [
            text,
            f" {text}\n",
            Job(id=text, status="RUNNING"),
            path,
            f"{path}.json",
            f"{path}/",
            f"{path}/Download",
            f"{path}/Download.json",
            f"{path}/Replay",
            f"{path}.json/Download",
            f"{path}/Download?Mode=Stream",
            path.removeprefix("/"),
            f"https://api.impact.com{path}",
            f"HTTPS://API.impact.com:443{path}/Download?Mode=Stream#top",
        ]
        assert {account().job_id(name) for name in names} == {text}
        assert account().job_id(uuid) == str(uuid)
        assert account().job_id(GeneratedJob(id=uuid)) == str(uuid)
        assert account().job_id(GeneratedJob.from_dict({"Id": text})) == str(uuid)

    @pytest.mark.parametrize(
        ("base_url", "url"),
        [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.0.0.1", "http://127.0.0.1:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://proxy.example:443/impact", "https://proxy.example/impact"),
            ("https://proxy.example", "https://proxy.example:443"),
            ("https://proxy.example/impact/v1", "https://proxy.example"),
            ("https://proxy.example/impact/v1", ""),
            ("https://proxy.example/impact/v1", "/impact/v1"),
        ],
    )
    def test_a_url_is_compared_by_scheme_host_and_port(self, base_url: str, url: str) -> None:
        assert account(base_url).job_id(url + JOB_PATH) == JOB_ID

    @pytest.mark.parametrize(
        "url",
        [
            f"https://evil.example{JOB_PATH}",
            f"//evil.example{JOB_PATH}",
            f"http://api.impact.com{JOB_PATH}",
            f"ftp://api.impact.com{JOB_PATH}",
            f"https://api.impact.com:8443{JOB_PATH}",
            f"https://api.impact.com.evil.example{JOB_PATH}",
            f"https://api.impact.com@evil.example{JOB_PATH}",
            f"https://evil.example\\@api.impact.com.{JOB_PATH}",
        ],
    )
    def test_a_url_of_another_origin_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"is not on https://api\.impact\.com"):
            account().job_id(url)

    @pytest.mark.parametrize(
        "path",
        [
            f"https://api.impact.com/proxied{JOB_PATH}",
            f"/Agencies/{SID}{JOB_PATH}",
            f"/Agencies/IRother{JOB_PATH}",
            f"/x/..{JOB_PATH}",
        ],
    )
    def test_a_job_below_another_path_is_refused(self, path: str) -> None:
        with pytest.raises(ConfigurationError, match=r"is not below https://api\.impact\.com: use a client with"):
            account().job_id(path)

    @pytest.mark.parametrize("own", SCOPES)
    @pytest.mark.parametrize("other", SCOPES)
    @pytest.mark.parametrize("suffix", ["", ".json", "/Download", "/Replay"])
    def test_a_job_of_another_scope_is_refused_and_the_message_names_its_client(
        self, own: str, other: str, suffix: str
    ) -> None:
        path = f"{SCOPES[other].path}/Jobs/{JOB_ID}{suffix}"
        for text in (path, f"https://api.impact.com{path}"):
            if own == other:
                assert SCOPES[own].job_id(text) == JOB_ID
                continue
            with pytest.raises(ConfigurationError, match="but this client is for") as raised:
                SCOPES[own].job_id(text)
            assert f"is a job of {SCOPES[other].path}, but this client is for {SCOPES[own].path}: " in str(raised.value)
            assert str(raised.value).endswith(f": use {expected_client(own, other)}.")

    def test_an_answer_by_passthrough_may_name_the_job_as_the_brand_does(self) -> None:
        brand = SCOPES["passthrough"]
        for path in (f"/Advertisers/IRbrand/Jobs/{JOB_ID}", f"{brand.path}/Jobs/{JOB_ID}"):
            for uri in (path, f"{path}.json", f" {path}/Replay", path[1:], f"https://api.impact.com{path}/Download"):
                assert brand.job_id_in_answer(uri) == JOB_ID
        for wrong in (
            f"https://evil.example/Advertisers/IRbrand/Jobs/{JOB_ID}",
            f"{SCOPES['other passthrough'].path}/Jobs/{JOB_ID}",
            f"{SCOPES['agency'].path}/Jobs/{JOB_ID}",
            f"{SCOPES['partner'].path}/Jobs/{JOB_ID}",
            7,
        ):
            with pytest.raises(ConfigurationError):
                brand.job_id_in_answer(wrong)
        with pytest.raises(ConfigurationError):
            account().job_id_in_answer(f"/Advertisers/IRbrand/Jobs/{JOB_ID}")

    def test_an_account_is_compared_with_its_case(self) -> None:
        with pytest.raises(ConfigurationError, match=r"use JobsClient\('irabc\.def-1~_2', …, account='agency'\)"):
            account().job_id(JOB_PATH.replace(SID, SID.lower()))

    def test_only_an_agency_has_brands(self) -> None:
        with pytest.raises(ConfigurationError, match="does not name a job"):
            account().job_id(f"/Mediapartners/{SID}/Advertisers/2747168/Jobs/{JOB_ID}")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "12345",
            JOB_ID.replace("-", ""),
            f"{JOB_ID}/Download",
            f"/Jobs/{JOB_ID}",
            f"/Agencies/{SID}/Jobs",
            f"/Agencies/{SID}/Jobs/",
            f"/Agencies/{SID}/Jobs/12345",
            f"/Agencies/{SID}/Jobs/{JOB_ID}/Cancel",
            f"/Agencies/{SID}/Jobs/{JOB_ID}/Download/Replay",
            f"/Agencies/{SID}/Actions/{JOB_ID}",
            f"/Agencies/{SID}/Jobs/..%2F{JOB_ID}",
            f"/Agencies//Jobs/{JOB_ID}",
            "https://api.impact.com",
            "https://[::1",
            "https://api.impact.com:99999999/x",
            "\ud800",
        ],
    )
    def test_text_that_does_not_name_a_job_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match=r"does not name a job|is not a URL"):
            account().job_id(text)

    @pytest.mark.parametrize(
        "reference", [None, 7, JOB_ID.encode(), [JOB_ID], {"Id": JOB_ID}, GeneratedJob(), Job(id="../1", status="X")]
    )
    def test_an_object_of_another_type_is_refused(self, reference: Any) -> None:
        with pytest.raises(ConfigurationError, match="does not name a job"):
            account().job_id(reference)

    @pytest.mark.parametrize(
        "url",
        [
            f"https://user:{TOKEN}@evil.example{JOB_PATH}?sig={TOKEN}",
            f"https://user:{TOKEN}@ex\u2100mple.com{JOB_PATH}",
            f"https://user:{TOKEN}@api.impact.com:port{JOB_PATH}",
            f"https://api.impact.com:{TOKEN}@/",
            f"https://api.impact.com/x?'{TOKEN}",
            TOKEN,
        ],
    )
    def test_the_error_for_a_url_shows_none_of_its_secrets(self, url: str) -> None:
        with pytest.raises(ConfigurationError) as raised:
            account().job_id(url)
        assert TOKEN not in str(raised.value)
        assert raised.value.__cause__ is None

    @given(st.text() | st.text(alphabet=f"/:@?#[]%. {JOB_ID}").map(lambda text: f"https://{text}{JOB_PATH}"))
    def test_any_text_gives_a_job_id_or_a_configuration_error(self, text: str) -> None:
        try:
            found = account().job_id(text)
        except ConfigurationError:
            return
        assert UUID(found)


class TestAccount:
    @pytest.mark.parametrize(
        ("given_url", "kept"),
        [
            ("https://api.impact.com", "https://api.impact.com"),
            ("https://api.impact.com/", "https://api.impact.com"),
            ("https://proxy.example:8443/impact//", "https://proxy.example:8443/impact"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ],
    )
    def test_a_base_url_loses_its_final_slash(self, given_url: str, kept: str) -> None:
        assert account(given_url).base_url == kept

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "api.impact.com",
            "//api.impact.com",
            "https://",
            "https:///x",
            "ftp://api.impact.com",
            "file:///etc/passwd",
            "https://api.impact.com/?",
            "https://api.impact.com?x=1",
            "https://api.impact.com/#",
            "https://api.impact.com\n",
            "https://api.impact.com ",
            "https://api.im pact.com",
            "https://api.impact.com\ud800",
            "https://api.impact.com:https",
            "https://[::1",
            "http://api.impact.com",
            "http://localhost.evil.example",
            "http://10.0.0.1",
        ],
    )
    def test_an_unusable_base_url_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"is not valid|is not a URL|in clear text"):
            account(url)

    @pytest.mark.parametrize(
        "url",
        [
            f"https://{SID}:{TOKEN}@api.impact.com",
            f"https://{TOKEN}@api.impact.com",
            f"https://{SID}:{TOKEN}@ex\u2100mple.com",
            f"https://{SID}:1/{TOKEN}@api.impact.com",
            f"https://api.impact.com?token={TOKEN}",
            f"https://api.impact.com?a b '{TOKEN}",
        ],
    )
    def test_the_error_for_a_base_url_shows_none_of_its_secrets(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="base_url") as raised:
            account(url)
        assert TOKEN not in str(raised.value)

    @pytest.mark.parametrize("sid", ["", " ", "IR 1", "IR1\n", "IR/1", "IR:1", "IR?1", ".", "..", "IRé", None, 7])
    def test_a_sid_that_does_not_fit_a_path_is_refused_and_not_shown(self, sid: Any) -> None:
        with pytest.raises(ConfigurationError, match="account_sid is not an Account SID: copy it"):
            account(sid=sid)

    @pytest.mark.parametrize("token", ["", None, 7, b"x", f"{TOKEN}\n", f" {TOKEN}", f"{TOKEN}\x00", f"{TOKEN}\ud800"])
    def test_an_unusable_token_is_refused_and_not_shown(self, token: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"auth_token .*copy it") as raised:
            account(token=token)
        shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert TOKEN not in str(raised.value)
        assert not [frame for frame in shown.stack if "impact_jobs" in frame.filename and TOKEN in str(frame.locals)]

    def test_an_account_shows_no_token(self) -> None:
        assert repr(account()) == (
            f"Account(sid='{SID}', token=***, base_url='https://api.impact.com', kind='agency', advertiser=None)"
        )

    def test_credentials_and_queries_are_redacted_in_a_text(self) -> None:
        basic = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        text = f"you sent Basic {basic}, which is {TOKEN}, to https://h.example/?sig=canary"
        assert account().redact(text) == "you sent Basic ***, which is ***, to https://h.example/?***"

    @given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
    def test_credentials_in_a_text_are_redacted_whatever_the_token(self, token: str) -> None:
        basic = base64.b64encode(f"{SID}:{token}".encode()).decode()
        assert basic not in account(token=token).redact("Basic " + basic)

    @pytest.mark.parametrize("show", [str, repr, json.dumps])
    def test_a_token_is_redacted_as_json_and_repr_escape_it(self, show: Callable[[str], str]) -> None:
        token = 'canary"-\\token'
        assert "canary" not in account(token=token).redact(show(token))


GATEWAY = "https://gateway.example/impact/v1"


class TestPathBelow:
    @pytest.mark.parametrize(
        ("url", "below"),
        [
            (GATEWAY, []),
            (f"{GATEWAY}/Agencies/IR1/Jobs?Page=2#top", ["Agencies", "IR1", "Jobs"]),
            (f"{GATEWAY}/./x/../Agencies//IR1/", ["Agencies", "IR1"]),
            ("HTTPS://Gateway.example:443/impact/v1/Jobs", ["Jobs"]),
            ("https://gateway.example/impact/x/../v1/Jobs", ["Jobs"]),
        ],
    )
    def test_the_path_below_the_base_url_is_returned(self, url: str, below: list[str]) -> None:
        assert account(GATEWAY).path_below(url) == below

    @pytest.mark.parametrize(
        "url",
        [
            "https://gateway.example",
            "https://gateway.example/",
            "https://gateway.example/impact",
            "https://gateway.example/impact/v10/Jobs",
            "https://gateway.example/Impact/v1/Jobs",
            f"{GATEWAY}/..",
            f"{GATEWAY}/../v2/Jobs",
            f"{GATEWAY}/%2e%2E/v2/Jobs",
            f"{GATEWAY}/.%2e/v2/Jobs",
            f"{GATEWAY}/%252e%252e/v2/Jobs",
            f"{GATEWAY}/x/..%2f..%2fv2",
            f"{GATEWAY}/..\\v2\\Jobs",
            f"{GATEWAY}/..%5cv2",
            f"{GATEWAY}/..;x=1/v2/Jobs",
            "http://gateway.example/impact/v1/Jobs",
            "https://gateway.example:8443/impact/v1/Jobs",
            "https://gateway.example.evil.example/impact/v1/Jobs",
            "https://gateway.example@evil.example/impact/v1/Jobs",
            "https://user:pw@gateway.example/impact/v1/Jobs",
            "https://evil.example\\@gateway.example/impact/v1/Jobs",
            "//gateway.example/impact/v1/Jobs",
            "/impact/v1/Jobs",
        ],
    )
    def test_a_url_elsewhere_is_not_below_the_base_url(self, url: str) -> None:
        assert account(GATEWAY).path_below(url) is None
        assert not account(GATEWAY).covers(url)

    def test_a_base_url_without_a_path_covers_its_host(self) -> None:
        assert account().covers("https://api.impact.com/../x")
        assert account().path_below("https://api.impact.com") == []

    def test_a_path_that_is_encoded_many_times_takes_linear_time(self) -> None:
        started = time.process_time()
        assert account(GATEWAY).covers(f"{GATEWAY}/%{'25' * 500_000}2e")
        assert time.process_time() - started < 5, "it takes some tenths of a second"


class TestSetting:
    def test_argument_beats_environment_beats_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IMPACT_BASE_URL", "environment")
        assert setting("IMPACT_BASE_URL", "argument", default="default") == "argument"
        assert setting("IMPACT_BASE_URL", None, default="default") == "environment"
        monkeypatch.setenv("IMPACT_BASE_URL", "")
        assert setting("IMPACT_BASE_URL", None, default="default") == "default"
        monkeypatch.delenv("IMPACT_BASE_URL")
        assert setting("IMPACT_BASE_URL", None, default="default") == "default"

    @pytest.mark.parametrize("value", [None, ""])
    def test_the_error_for_a_missing_setting_says_what_to_export(
        self, value: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("IMPACT_AUTH_TOKEN", raising=False)
        with pytest.raises(ConfigurationError, match="IMPACT_AUTH_TOKEN is not set: export it, or pass"):
            setting("IMPACT_AUTH_TOKEN", value)

    def test_an_empty_argument_is_not_replaced_by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IMPACT_AUTH_TOKEN", "another account's")
        with pytest.raises(ConfigurationError):
            setting("IMPACT_AUTH_TOKEN", "", default="default")


@pytest.mark.parametrize(
    ("host", "loopback", "internal"),
    [
        (None, False, False),
        ("", False, False),
        ("api.impact.com", False, False),
        ("localhost.example.com", False, False),
        ("8.8.8.8", False, False),
        ("2600::1", False, False),
        ("localhost", True, True),
        ("localhost.", True, True),
        ("127.0.0.1", True, True),
        ("127.9.9.9", True, True),
        ("::1", True, True),
        ("127.1", True, True),
        ("0x7f.1", True, True),
        ("2130706433", True, True),
        ("0177.0.0.1", True, True),
        ("10.0.0.1", False, True),
        ("10.1", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("169.254.169.254", False, True),
        ("0.0.0.0", False, True),  # noqa: S104 - nothing is bound
        ("fe80::1%eth0", False, True),
        ("fd00::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("\0", False, False),
        ("\ud800", False, False),
    ],
)
def test_loopback_and_internal_hosts_are_recognised(host: str | None, *, loopback: bool, internal: bool) -> None:
    assert (is_loopback(host), is_internal(host)) == (loopback, internal)


def test_the_id_of_a_job_wins_over_its_result_uri() -> None:
    assert account().job_id(Job(id=JOB_ID, status=JobStatus.COMPLETED, result_uri="/elsewhere")) == JOB_ID


class TestKinds:
    @pytest.mark.parametrize(
        ("kind", "path", "version"),
        [
            ("agency", f"/Agencies/{SID}", "3"),
            ("brand", f"/Advertisers/{SID}", "14"),
            ("partner", f"/Mediapartners/{SID}", "16"),
        ],
    )
    def test_each_kind_has_its_path_and_version(self, kind: str, path: str, version: str) -> None:
        assert account(kind=account_kind(kind)).path == path
        assert account_kind(kind).api_version == version

    def test_a_brand_of_an_agency_has_the_agencys_path_and_the_rules_of_a_brand(self) -> None:
        for advertiser_id in (2747168, " 2747168 "):
            brand = account().for_advertiser(advertiser_id)
            assert brand.path == f"/Agencies/{SID}/Advertisers/2747168"
            assert brand.kind == BRAND

    @pytest.mark.parametrize(
        ("name", "meant"),
        [("Agency", "agency"), ("advertiser", "brand"), ("Mediapartners", "partner"), ("publishr", "partner")],
    )
    def test_a_misspelt_kind_is_refused_with_the_one_that_was_meant(self, name: str, meant: str) -> None:
        with pytest.raises(ConfigurationError, match=f"not a kind of account: .* Did you mean '{meant}'"):
            account_kind(name)

    @pytest.mark.parametrize("name", ["", "xyz", None, 3, BRAND])
    def test_any_other_kind_is_refused(self, name: object) -> None:
        with pytest.raises(ConfigurationError, match=r"not a kind of account: give 'agency', 'brand' or 'partner'\.$"):
            account_kind(name)

    @pytest.mark.parametrize("bad", ["", "IRabc", "12a", "1.5", "-7", 0, -7, 1.5, True, None, "٣", "7/8", TOKEN])
    def test_only_a_number_names_a_brand(self, bad: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"^advertiser_id=.* such as 2747168") as raised:
            account().for_advertiser(bad)
        assert ("Account SID is not accepted" in str(raised.value)) == (bad == "IRabc")
        assert TOKEN not in str(raised.value)

    @pytest.mark.parametrize("own", ["brand", "partner", "passthrough"])
    def test_only_an_agency_gives_a_client_for_a_brand(self, own: str) -> None:
        with pytest.raises(ConfigurationError, match="for_advertiser needs the client of an agency"):
            SCOPES[own].for_advertiser(2747168)
