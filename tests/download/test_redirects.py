from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import DownloadError
from impact_jobs._account import Account, is_internal
from impact_jobs._download.redirects import storage_url
from impact_jobs._redaction import Secret, secret_url

API = "https://api.impact.com/Agencies/IR1/Jobs/1/Download"
LOCAL_API = "http://127.0.0.1:8080/Agencies/IR1/Jobs/1/Download"
SIGNED = "https://storage.example/a%2Fb.csv?X-Sig=canary&x='1'"
WHAT = "download of job 1"


def follow(location: str | None, asked: str = API, base_url: str = "https://api.impact.com") -> Secret:
    found = None if location is None else secret_url(location)
    account = Account.create("IR1", Secret("token"), secret_url(base_url))
    return storage_url(found, asked=secret_url(asked), account=account, what=WHAT)


@pytest.mark.parametrize(
    ("location", "asked", "url"),
    [
        (SIGNED, API, SIGNED),
        (f" {SIGNED}\r\n", API, SIGNED),
        ("HTTPS://Storage.Example:8443/a?b", API, "https://Storage.Example:8443/a?b"),
        ("//storage.example/a?b", API, "https://storage.example/a?b"),
        ("/moved?b", "https://storage.example/a?c", "https://storage.example/moved?b"),
        ("other?b", "https://storage.example/x/a?c", "https://storage.example/x/other?b"),
        ("https://8.8.8.8/a?b", API, "https://8.8.8.8/a?b"),
        ("result.csv?b", API, "https://api.impact.com/Agencies/IR1/Jobs/1/result.csv?b"),
        ("./result.csv?b", API, "https://api.impact.com/Agencies/IR1/Jobs/1/result.csv?b"),
        ("../result.csv?b", API, "https://api.impact.com/Agencies/IR1/Jobs/result.csv?b"),
        ("?part=1", f"{API}?Mode=Stream", f"{API}?part=1"),
        ("/result.csv?b", API, "https://api.impact.com/result.csv?b"),
    ],
)
def test_an_absolute_or_relative_https_redirect_is_followed(location: str, asked: str, url: str) -> None:
    found = follow(location, asked)
    assert found.reveal() == url
    assert str(found).endswith("?***"), "a signed URL is shown without its signature"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/files/a?b", "/impact/files/a?b"),
        ("/impact/files/a?b", "/impact/files/a?b"),
        ("/impacts/files/a?b", "/impact/impacts/files/a?b"),
        ("a?b", "/impact/Agencies/IR1/Jobs/1/a?b"),
        ("//storage.example/a?b", None),
        ("https://gateway.example/a?b", "/a?b"),
    ],
)
def test_a_path_from_the_root_lies_below_the_path_of_the_gateway(location: str, path: str | None) -> None:
    gateway = "https://gateway.example/impact"
    found = follow(location, f"{gateway}/Agencies/IR1/Jobs/1/Download", gateway).reveal()
    assert found == ("https://storage.example/a?b" if path is None else f"https://gateway.example{path}")


def test_a_path_from_the_root_of_the_storage_stays_there() -> None:
    found = follow("/a?b", "https://storage.example/x?c", "https://gateway.example/impact")
    assert found.reveal() == "https://storage.example/a?b"


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/a", "http://localhost:9/a", "http://[::1]:9/a", "https://10.0.0.1/a", SIGNED]
)
def test_an_api_on_this_machine_may_redirect_to_this_machine_without_tls(location: str) -> None:
    assert follow(location, LOCAL_API, "http://127.0.0.1:8080").reveal() == location


@pytest.mark.parametrize("location", [None, "", " \r\n"])
def test_a_redirect_without_location_is_an_error(location: str | None) -> None:
    with pytest.raises(DownloadError, match=f"^{WHAT}: a redirect without Location. Check base_url"):
        follow(location)


@pytest.mark.parametrize(
    ("location", "api", "problem"),
    [
        ("http://storage.example/a", API, "only https is safe"),
        ("http://127.0.0.1/a", API, "only https is safe"),
        ("http://storage.example/a", LOCAL_API, "only https is safe"),
        ("http://10.0.0.1/a", LOCAL_API, "only https is safe"),
        ("ftp://storage.example/a", API, "only https is safe"),
        ("file:///etc/passwd", API, "it names no host"),
        ("file://localhost/etc/passwd", LOCAL_API, "only https is safe"),
        ("data:text/csv,a", API, "it names no host"),
        ("javascript:alert(1)", API, "it names no host"),
        ("https://:443/a", API, "it names no host"),
        ("https://user:pw@storage.example/a", API, "it carries credentials"),
        ("https://@storage.example/a", API, "it carries credentials"),
        ("https://storage.example\\@evil.example/a", API, "it carries credentials"),
        ("https://127.0.0.1/a", API, "it leads from a public API into a private network"),
        ("https://127.1/a", API, "it leads from a public API into a private network"),
        ("https://2130706433/a", API, "it leads from a public API into a private network"),
        ("https://0x7f000001/a", API, "it leads from a public API into a private network"),
        ("https://localhost/a", API, "it leads from a public API into a private network"),
        ("https://LOCALHOST./a", API, "it leads from a public API into a private network"),
        ("https://[::1]/a", API, "it leads from a public API into a private network"),
        ("https://[::ffff:127.0.0.1]/a", API, "it leads from a public API into a private network"),
        ("https://[fd00::1]/a", API, "it leads from a public API into a private network"),
        ("https://169.254.169.254/latest/meta-data", API, "it leads from a public API into a private network"),
        ("https://192.168.0.1/a", API, "it leads from a public API into a private network"),
        ("https://[::1/a", API, "it is not a URL"),
        ("https://storage.example:99999999/a", API, "it is not a URL"),
        ("https://storage.example:port/a", API, "it is not a URL"),
        ("https://ex\u2100mple.com/a", API, "it is not a URL"),
    ],
)
def test_an_unsafe_redirect_is_refused_and_shown_without_its_signature(location: str, api: str, problem: str) -> None:
    with pytest.raises(DownloadError) as raised:
        follow(f"{location}?sig=canary&f='a b' \"canary", api, api.partition("/Agencies")[0])
    message = str(raised.value)
    assert message.startswith(f"{WHAT}: the redirect to ")
    assert message.endswith(f" was not followed: {problem}. Check base_url and any proxy between.")
    assert "canary" not in message
    assert "pw" not in message.replace("passwd", "")
    assert raised.value.__cause__ is None


@given(
    st.text() | st.text(alphabet="htps:/\\@?#[]%. 127xlocalhost\t\r\n").map(lambda text: f"https://{text}"),
    st.sampled_from([API, "https://storage.example/x/a?c"]),
)
def test_a_public_api_may_only_redirect_to_a_public_https_url(location: str, asked: str) -> None:
    try:
        url = follow(location, asked)
    except DownloadError:
        return
    parts = urlsplit(url.reveal())
    assert parts.scheme == "https"
    assert parts.hostname
    assert not is_internal(parts.hostname)
    assert (parts.username, parts.password) == (None, None)
