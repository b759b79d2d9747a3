"""Bad input from the user and from the storage: a clear error, and no file under the name of the target."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from impact_jobs import (
    AsyncJobsClient,
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    JobsClient,
    JobsError,
    ResultNotReadyError,
    Retry,
    TransportError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.raw_server import Answer, Asked, RawServer, Reply, serving, storing

DATA = hashlib.shake_256(b"bad input").digest(200_000)
QUICK = Retry(base_delay=0.0)
JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
NOT_UTF8 = os.fsdecode(b"caf\xe9.csv")


def job_at(sandbox: Sandbox, storage: RawServer, times: int = 9) -> str:
    job_id = sandbox.add_job()
    link = {"Location": f"{storage.url}/a?sig=canary"}
    sandbox.answer_next("GET", f"{job_id}/Download", status=302, headers=link, times=times)
    return job_id


def names_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# Arguments


IMPOSSIBLE_TARGETS = [
    ("file/a.csv", r"the folder '.*/file' does not exist: create it first"),
    ("missing/a.csv", r"the folder '.*/missing' does not exist: create it first"),
    ("x" * 300, r"the file name 'x+'… is too long: 240 bytes at most"),
    ("x" * 300 + "/a.csv", r"the folder '.*/x+' does not exist: create it first"),
    ("x" * 5000, r"the file name 'x+'… is too long: 240 bytes at most"),
    ("/dev/null", r"'/dev/null' is not a regular file: choose another path|'/dev' is not writable: choose another"),
    ("pipe", r"'.*/pipe' is not a regular file: choose another path"),
    ("link", r"'.*/link' is not a regular file: choose another path"),
    ("dangling", r"'.*/dangling' is not a regular file: choose another path"),
    ("a\0b", r"path=.* is not a file name: give the path of a file, or of an existing folder"),
    ("\ud800", r"path=.* is not a file name"),
]


def test_an_impossible_target_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("../elsewhere")
    os.mkfifo(tmp_path / "pipe")
    before, job_id = names_under(tmp_path), sandbox.add_job()
    for path, message in IMPOSSIBLE_TARGETS:
        for verb, overwrite in product((jobs.download, jobs.wait_and_download), (False, True)):
            with pytest.raises(ConfigurationError, match=message):
                verb(job_id, tmp_path / path, overwrite=overwrite)
    assert sandbox.requests == ()
    assert names_under(tmp_path) == before
    assert (tmp_path / "file").read_text() == "old"


def test_an_existing_file_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(DestinationExistsError, match=r"a\.csv' exists: pass overwrite=True, or choose another path"):
        jobs.download(sandbox.add_job(), tmp_path / "a.csv")
    assert sandbox.requests == ()
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_unusual_file_names_are_used_unchanged(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    names = ["with space", "caf\u00e9 \U0001f4c8.csv", "-rf", "~", "%41", "a\nb", NOT_UTF8, ".a"]
    for name in names:
        assert jobs.download(sandbox.add_job(), tmp_path / name).path == tmp_path / name
    assert names_under(tmp_path) == sorted(names)


def test_a_path_may_be_a_relative_string(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path / "a.csv"), "b.csv", Path("c.csv")):
        assert jobs.download(sandbox.add_job(), path).bytes_written == 300_000
    assert names_under(tmp_path) == ["a.csv", "b.csv", "c.csv"]


def test_invalid_connections_are_refused(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    wrong: list[Any] = [0, -1, 65, True, False, "4", 2.0, float("nan"), [2]]
    for connections in wrong:
        message = re.escape(f"connections={connections!r}: give a number from 1 to 64, or None")
        for verb in (jobs.download, jobs.wait_and_download):
            with pytest.raises(ConfigurationError, match=message):
                verb(sandbox.add_job(), tmp_path / "a.csv", connections=connections)
    assert sandbox.requests == ()


def test_an_unknown_mode_is_refused(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    for mode in ("Redirect", "STREAM", "", "redirect ", "download"):
        message = re.escape(f"mode={mode!r}: give 'redirect' or 'stream'")
        for verb in (jobs.download, jobs.wait_and_download):
            with pytest.raises(ConfigurationError, match=message):
                verb(job_id, tmp_path / "a.csv", mode=mode)
        for verb in (jobs.stream, jobs.open):
            with pytest.raises(ConfigurationError, match=message):
                verb(job_id, mode=mode)
    assert sandbox.requests == ()


# File names from the storage


NAMES: list[tuple[str, str | None]] = [
    ('attachment; filename="../../../etc/passwd"', "passwd"),
    ('attachment; filename="/etc/passwd"', "passwd"),
    ('attachment; filename="..\\..\\evil.exe"', "evil.exe"),
    ('attachment; filename="C:\\Windows\\evil.exe"', "evil.exe"),
    ('attachment; filename=".bashrc"', "bashrc"),
    (f'attachment; filename="{"x" * 400}.csv"', "x" * 196 + ".csv"),
    ("attachment; filename*=UTF-8''caf%C3%A9%20%F0%9F%93%88.csv", "caf\u00e9 \U0001f4c8.csv"),
    ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
    ("attachment; filename*=UTF-8''a%00b.csv", "a_b.csv"),
    ("attachment; filename*=UTF-8''%2e%2e; filename=\"..\"", None),
    ('attachment; filename="caf\u00e9.csv"', "caf\u00e9.csv"),
    ("attachment; filename=", None),
    ('attachment; filename=""', None),
    ("attachment", None),
    ("\xff\xfe\x80", None),
    ('attachment; filename="a\tb.csv"', "a_b.csv"),
    ('attachment; filename="a\x01b\x1b[2J.csv"', "a_b_[2J.csv"),
    ("attachment" + "; filename=a" * 3000, "a"),
]


def test_no_name_of_the_storage_leads_out_of_the_folder(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number, (header, name) in enumerate(NAMES):
        top = tmp_path / f"{number}"
        folder = top / "one" / "two"
        folder.mkdir(parents=True)
        with serving(storing(DATA, headers={"Content-Disposition": header})) as storage:
            job_id = job_at(sandbox, storage, times=1)
            done = jobs.download(job_id, folder)
        assert (done.path, done.filename) == (folder / (name or job_id), name), header
        assert done.path.read_bytes() == DATA
        assert names_under(top) == ["one", "one/two", f"one/two/{name or job_id}"]


@pytest.mark.parametrize("raw", ["a\0b.csv", "a\rb.csv"])
def test_a_name_that_http_forbids_raises_transport_error(
    raw: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with serving(storing(DATA, headers={"Content-Disposition": f'attachment; filename="{raw}"'})) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError, match="Check network and proxy") as raised:
            jobs.with_options(retry=QUICK).download(job_id, tmp_path)
    assert "canary" not in str(raised.value)
    assert names_under(tmp_path) == []


def test_over_a_mock_transport_forbidden_names_are_made_safe(sandbox: Sandbox, tmp_path: Path) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        name = 'attachment; filename="../a\0b\r\nSet-Cookie: c.csv"'
        return httpx.Response(200, headers={"Content-Disposition": name}, content=DATA)

    with (
        httpx.Client(transport=httpx.MockTransport(handler)) as storage,
        sandbox.client(storage_client=storage) as jobs,
    ):
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": "https://storage.example/a"})
        done = jobs.download(sandbox.add_job(), tmp_path)
    assert done.path == tmp_path / "a_b__Set-Cookie_ c.csv"
    assert done.path.read_bytes() == DATA
    assert names_under(tmp_path) == [done.path.name]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_suggested_name_that_is_a_folder_is_refused(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, overwrite: bool
) -> None:
    (tmp_path / "sub").mkdir()
    with serving(storing(DATA, headers={"Content-Disposition": "attachment; filename=sub"})) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(ConfigurationError, match=r"/sub'.* is a folder: give the path of a file"):
            jobs.download(job_id, tmp_path, overwrite=overwrite)
    assert names_under(tmp_path) == ["sub"]


def test_a_suggested_name_that_is_a_link_is_refused(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "precious").write_text("precious")
    (folder / "a.csv").symlink_to("../precious")
    with serving(storing(DATA, headers={"Content-Disposition": "attachment; filename=a.csv"})) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(ConfigurationError, match="is not a regular file"):
            jobs.download(job_id, folder, overwrite=True)
    assert (tmp_path / "precious").read_text() == "precious"
    assert names_under(folder) == ["a.csv"]


# Lengths


def stating(length: str | tuple[str, ...], *, etag: bool = True) -> Answer:
    tag = {"ETag": '"v1"'} if etag else {}
    return lambda _: Reply(headers={"Content-Length": length} | tag, body=DATA, ends=True)


IMPOSSIBLE_LENGTHS: list[tuple[str | tuple[str, ...], type[JobsError], str]] = [
    ("-1", TransportError, "bad Content-Length"),
    ("1e5", TransportError, "bad Content-Length"),
    ("0x10", TransportError, "bad Content-Length"),
    ("nonsense", TransportError, "bad Content-Length"),
    ("", TransportError, "bad Content-Length"),
    ("\xb2", TransportError, "bad Content-Length"),
    (str(10**30), TransportError, "bad Content-Length"),
    (("200000", "200001"), TransportError, "conflicting Content-Length"),
    ("200000, 7", TransportError, "conflicting Content-Length"),
    (str(9 * 10**18), DownloadError, f"could not be written: .*{9 * 10**18} bytes.*Make room"),
    (str(2**63), DownloadError, f"could not be written: .*{2**63} bytes.*Make room"),
    (str(10**20 - 1), DownloadError, f"could not be written: .*{10**20 - 1} bytes.*Make room"),
]


def test_an_impossible_content_length_is_an_error(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for length, error, message in IMPOSSIBLE_LENGTHS:
        with serving(stating(length)) as storage:
            job_id = job_at(sandbox, storage)
            with pytest.raises(error, match=message) as raised:
                jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
            assert len(storage.asked) <= QUICK.attempts, length
        assert "canary" not in str(raised.value)
        assert names_under(tmp_path) == [], length


def test_a_repeated_or_padded_content_length_is_accepted(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    lengths: list[str | tuple[str, ...]]
    lengths = ["200000", ("200000", "200000"), "200000, 200000", " 200000 ", "000200000"]
    for number, length in enumerate(lengths):
        with serving(stating(length)) as storage:
            done = jobs.download(job_at(sandbox, storage, times=1), tmp_path / f"{number}")
        assert done.path.read_bytes() == DATA, length


@pytest.mark.parametrize("etag", [False, True])
@pytest.mark.parametrize("size", [200_001, 5 * 10**6])  # read through httpx, and from the socket
def test_a_body_shorter_than_its_content_length_is_an_error(
    size: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, etag: bool
) -> None:
    with serving(stating(str(size), etag=etag)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(DownloadError, match=r"broke off .* 4 times .*Try again later") as raised:
            jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
        assert len(storage.asked) <= 2 * QUICK.attempts
    assert job_id in str(raised.value)
    assert names_under(tmp_path) == []


def test_bytes_after_the_content_length_are_not_part_of_the_file(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """HTTP takes them for the next response; only a checksum can reveal that they belong to the file."""
    with serving(lambda _: Reply(headers={"Content-Length": "1000"}, body=DATA)) as storage:
        job_id = job_at(sandbox, storage)
        for name in ("a.csv", "b.csv"):
            assert jobs.download(job_id, tmp_path / name).path.read_bytes() == DATA[:1000]


# Responses


@pytest.mark.parametrize("status", [206, 416])
def test_a_partial_response_to_a_request_without_range_is_an_error(
    status: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        if "range" in asked.headers:
            return storing(DATA)(asked)
        stated = {"Content-Range": "bytes 100-199/200000"} if status == 206 else {}
        return Reply(status=status, headers={"Content-Length": "100", "ETag": '"v1"'} | stated, body=DATA[100:200])

    with serving(answer) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(DownloadError, match=f"the storage answered HTTP {status}"):
            jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
        with pytest.raises(DownloadError, match=f"the storage answered HTTP {status}"):
            jobs.with_options(retry=QUICK).stream(job_id).__enter__()
    assert names_under(tmp_path) == []


def test_an_unexpected_status_is_an_error(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    statuses = [201, 205, 300, 304, 305, 402, 418, 451]
    left = iter(statuses)
    with serving(lambda _: Reply(status=next(left), headers={"Content-Length": "0"})) as storage:
        job_id = job_at(sandbox, storage)
        for status in statuses:
            with pytest.raises(DownloadError, match=f"{job_id}: the storage answered HTTP {status}") as raised:
                jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
            assert "canary" not in str(raised.value)
        assert len(storage.asked) == len(statuses)
    assert names_under(tmp_path) == []


def test_a_response_that_is_not_http_is_an_error(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    def answer(_: Asked) -> Reply:
        raise OSError("the connection ends without an answer")

    with serving(answer) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError) as raised:
            jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
        assert len(storage.asked) == QUICK.attempts
    assert "canary" not in str(raised.value)
    assert names_under(tmp_path) == []


# Redirects


def test_a_redirect_loop_ends(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        other = "/b?sig=canary" if asked.target.startswith("/a") else "/a?sig=canary"
        return Reply(status=302, headers={"Location": other, "Content-Length": "0"})

    with serving(answer) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(DownloadError, match="more than 5 redirects") as raised:
            jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
        assert len(storage.asked) == 5
    assert "canary" not in str(raised.value)
    assert names_under(tmp_path) == []


INSIDE = [
    "https://127.0.0.1/a",
    "https://localhost/a",
    "https://localhost./a",
    "https://[::1]/a",
    "https://[::ffff:127.0.0.1]/a",
    "https://0.0.0.0/a",
    "https://127.1/a",
    "https://2130706433/a",
    "https://0x7f000001/a",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fe80::1]/a",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://10.1.2.3/a",
    "https://172.16.0.1/a",
    "https://192.168.0.1/a",
    "https://100.64.0.1/a",
]
IN_CLEAR = ["http://storage.example/a", "http://127.0.0.1/a", "http://169.254.169.254/latest/meta-data/"]


def api_that_leads_to(location: str) -> httpx.MockTransport:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.impact.com"
        return httpx.Response(302, headers={"Location": f"{location}?sig=canary"})

    return httpx.MockTransport(handler)


def storage_that_counts(asked: list[str], location: str = "") -> httpx.MockTransport:
    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"Location": f"{location}?sig=canary"})

    return httpx.MockTransport(handler)


def assert_refused(error: pytest.ExceptionInfo[DownloadError], location: str, *, asked: list[str]) -> None:
    assert asked in ([], ["storage.example"]), "the refused host receives no request"
    shown = str(error.value)
    reason = "only https is safe" if location in IN_CLEAR else "it leads from a public API into a private network"
    assert location in shown
    assert reason in shown
    assert "Check base_url" in shown
    assert "canary" not in shown


@pytest.mark.parametrize("location", INSIDE + IN_CLEAR)
@pytest.mark.parametrize("at_once", [True, False], ids=["from the API", "from the storage"])
def test_a_redirect_to_a_private_network_or_plain_http_is_refused(
    location: str, tmp_path: Path, *, at_once: bool
) -> None:
    asked: list[str] = []
    api = httpx.Client(transport=api_that_leads_to(location if at_once else "https://storage.example/a"))
    storage = httpx.Client(transport=storage_that_counts(asked, location))
    jobs = JobsClient("IRtest", "token", http_client=api, storage_client=storage, retry=QUICK)
    with api, storage, jobs, pytest.raises(DownloadError, match="was not followed") as raised:
        jobs.download(JOB_ID, tmp_path / "a.csv")
    assert_refused(raised, location, asked=asked)
    assert len(asked) == (not at_once)
    assert names_under(tmp_path) == []


@pytest.mark.parametrize("location", [INSIDE[9], IN_CLEAR[0]])
def test_the_asynchronous_client_refuses_unsafe_redirects_as_well(location: str, tmp_path: Path) -> None:
    asked: list[str] = []

    async def download() -> None:
        api = httpx.AsyncClient(transport=api_that_leads_to(location))
        storage = httpx.AsyncClient(transport=storage_that_counts(asked))
        async with api, storage, AsyncJobsClient("IRtest", "token", http_client=api, storage_client=storage) as jobs:
            with pytest.raises(DownloadError, match="was not followed") as raised:
                await jobs.download(JOB_ID, tmp_path / "a.csv")
        assert_refused(raised, location, asked=asked)

    asyncio.run(download())
    assert asked == []


def test_a_job_that_is_not_ready_leaves_nothing_in_a_folder(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ResultNotReadyError):
        jobs.download(sandbox.add_job(seconds=3600), tmp_path)
    assert names_under(tmp_path) == []


@pytest.mark.parametrize(
    "place", ["https://[fe80::1%é]/a?sig=canary", "a://u:canary@[?sig=canary", "https://a.example/\x7f?sig=canary"]
)
def test_a_redirect_to_an_invalid_url_is_an_error(
    place: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": place}, times=9)
    with pytest.raises((TransportError, DownloadError)) as raised:
        jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
    assert "canary" not in str(raised.value)
    assert names_under(tmp_path) == []
