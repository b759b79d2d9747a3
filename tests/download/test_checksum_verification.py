"""The checksums that storages state: held against what is on disk, whichever way it came there."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import pytest
from impact_jobs import IntegrityError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.raw_server import RawServer, Reply, serving, storing

DATA = hashlib.shake_256(b"checksums").digest(700_001)
OTHER = b"x" + DATA[1:]
QUICK = Retry(base_delay=0.0)

Headers = Mapping[str, str | tuple[str, ...]]


def base64_of(name: str, data: bytes) -> str:
    digest = zlib.crc32(data).to_bytes(4, "big") if name == "crc32" else hashlib.new(name, data).digest()
    return base64.b64encode(digest).decode()


# What a storage says of some data, in each of the ways in which it can be said.
WAYS: dict[str, Callable[[bytes], Headers]] = {
    "Content-MD5": lambda data: {"Content-MD5": base64_of("md5", data)},
    "Google's": lambda data: {"x-goog-hash": f"crc32c=AAAAAA==,md5={base64_of('md5', data)}"},
    "Google's, in two fields": lambda data: {"x-goog-hash": ("crc32c=AAAAAA==", f"md5={base64_of('md5', data)}")},
    "Amazon's sha256": lambda data: {"x-amz-checksum-sha256": base64_of("sha256", data)},
    "Amazon's sha1": lambda data: {"X-Amz-Checksum-SHA1": base64_of("sha1", data)},
    "Amazon's crc32": lambda data: {
        "x-amz-checksum-crc32": base64_of("crc32", data),
        "x-amz-checksum-type": "FULL_OBJECT",
    },
    "Repr-Digest": lambda data: {"Repr-Digest": f"sha-256=:{base64_of('sha256', data)}:"},
    "two of Repr-Digest": lambda data: {
        "Repr-Digest": f"unixsum=:AA:, sha-512=:{base64_of('sha512', data)}:, sha-256=:{base64_of('sha256', data)}:"
    },
    "Digest": lambda data: {"Digest": f"SHA-256={base64_of('sha256', data)}"},
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def job_at(sandbox: Sandbox, storage: RawServer) -> str:
    job_id = sandbox.add_job()
    lead_to(storage, sandbox)
    return job_id


def lead_to(storage: RawServer, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"})


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("connections", [None, 3])
def test_what_the_sandbox_states_is_verified(connections: int | None, tmp_path: Path) -> None:
    with Sandbox(job_seconds=0, result_bytes=5_000_000, checksums=True) as sandbox, sandbox.client() as jobs:
        job_id = sandbox.add_job()
        done = jobs.download(job_id, tmp_path / "a.csv", connections=connections)
        assert done.sha256 == sandbox.result(job_id).sha256
        for digest in (True, False):
            with (
                serving(storing(OTHER, headers={"x-amz-checksum-sha256": base64_of("sha256", DATA)})) as storage,
                pytest.raises(IntegrityError),
            ):
                jobs.download(job_at(sandbox, storage), tmp_path / "b.csv", connections=connections, digest=digest)


@ways
def test_a_true_checksum_is_a_file(
    way: Callable[[bytes], Headers], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with serving(storing(DATA, headers=way(DATA))) as storage:
        for connections in (1, 3):
            done = jobs.download(job_at(sandbox, storage), tmp_path / f"{connections}", connections=connections)
            assert done.path.read_bytes() == DATA


@ways
def test_a_lying_checksum_is_an_error_and_nothing_is_left(
    way: Callable[[bytes], Headers], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for digest, connections in product((True, False), (1, 3)):
        with serving(storing(OTHER, headers=way(DATA))) as storage:
            job_id = job_at(sandbox, storage)
            with pytest.raises(IntegrityError, match=r"announced, by (md5|sha1|sha256|sha512|crc32).*Download again"):
                jobs.download(job_id, tmp_path / "a.csv", connections=connections, digest=digest)
            assert len(storage.asked) == connections, "it is not asked again by itself"
        assert left_in(tmp_path) == []


def test_an_integrity_error_leaves_the_file_that_was_to_be_replaced(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("old")
    with serving(storing(OTHER, headers=WAYS["Content-MD5"](DATA))) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(IntegrityError, match=job_id):
            jobs.download(job_id, tmp_path / "a.csv", overwrite=True)
    assert (tmp_path / "a.csv").read_text() == "old"
    assert left_in(tmp_path) == ["a.csv"]


PASSED_OVER: list[dict[str, str | tuple[str, ...]]] = [
    {"x-amz-checksum-sha256": base64_of("sha256", OTHER) + "-3", "x-amz-checksum-type": "COMPOSITE"},
    {"x-amz-checksum-crc32c": "AAAAAA=="},
    {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="},
    {"x-goog-hash": "crc32c=AAAAAA=="},
    {"x-goog-hash": f"crc32c=AAAAAA==,md5={base64_of('md5', OTHER)}", "x-goog-stored-content-encoding": "gzip"},
    {"Repr-Digest": "id-sha-256=:AAAAAA==:, unixsum=:AAAAAA==:, blake9=:AAAA:"},
    {"Repr-Digest": ",,=;;:"},
    {"Content-MD5": "not base64!"},
    {"Content-MD5": "AAAA"},
    {"Content-MD5": ""},
    {"Content-MD5": "\xe9\xff"},
    {"Content-MD5": hashlib.md5(DATA, usedforsecurity=False).hexdigest()},
    {"x-amz-checksum-sha256": hashlib.sha256(DATA).hexdigest()},
    {"x-amz-checksum-sha256": base64_of("sha1", DATA)},
    {"x-amz-checksum-crc32": base64_of("sha256", DATA)},
    {"x-amz-checksum-": "AAAAAA=="},
    {"ETag": '"0123456789abcdef0123456789abcdef"'},
    {"x-amz-meta-md5": base64_of("md5", OTHER)},
]


def test_what_is_no_checksum_of_the_file_is_passed_over(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number, headers in enumerate(PASSED_OVER):
        with serving(storing(DATA, headers=headers)) as storage:
            done = jobs.download(job_at(sandbox, storage), tmp_path / f"{number}")
        assert done.path.read_bytes() == DATA, headers


def test_of_an_encoded_body_nothing_is_compared(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    packed = gzip.compress(DATA)
    headers = {"Content-Encoding": "gzip", **WAYS["Content-MD5"](packed), **WAYS["Repr-Digest"](packed)}
    with serving(storing(packed, headers=headers)) as storage:
        done = jobs.download(job_at(sandbox, storage), tmp_path / "a.csv")
    assert done.path.read_bytes() == DATA
    assert done.sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("way", [WAYS["Content-MD5"], WAYS["Amazon's crc32"], WAYS["two of Repr-Digest"]])
@pytest.mark.parametrize("lies", [False, True], ids=["true", "lying"])
def test_it_is_still_verified_when_another_client_goes_on(
    way: Callable[[bytes], Headers], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, lies: bool
) -> None:
    stored = OTHER if lies else DATA
    whole = storing(stored, headers=way(DATA))
    with serving(lambda asked: Reply(headers=whole(asked).headers, body=stored[:300_000], ends=True)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError):
            jobs.with_options(retry=Retry(attempts=1)).download(job_id, tmp_path / "a.csv", connections=1)
    assert left_in(tmp_path) == ["a.csv.part", "a.csv.part.json"]
    # The answers to the rest say nothing of the whole: what counts is in the journal.
    with serving(storing(stored)) as storage, sandbox.client() as another:
        lead_to(storage, sandbox)
        if lies:
            with pytest.raises(IntegrityError):
                another.download(job_id, tmp_path / "a.csv", connections=1)
            assert left_in(tmp_path) == []
        else:
            done = another.download(job_id, tmp_path / "a.csv", connections=1)
            assert done.resumed_from == 300_000
            assert done.path.read_bytes() == DATA
        assert storage.asked[0].headers["range"] == f"bytes=300000-{len(DATA) - 1}"


def test_a_part_that_was_spoiled_on_disk_is_found_out(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    whole = storing(DATA, headers=WAYS["Content-MD5"](DATA))
    with serving(lambda asked: Reply(headers=whole(asked).headers, body=DATA[:300_000], ends=True)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError):
            jobs.with_options(retry=Retry(attempts=1)).download(job_id, tmp_path / "a.csv")
    with (tmp_path / "a.csv.part").open("r+b") as part:
        part.write(b"spoiled")
    with serving(whole) as storage:
        lead_to(storage, sandbox)
        with pytest.raises(IntegrityError, match="by md5"):
            jobs.download(job_id, tmp_path / "a.csv")
        assert left_in(tmp_path) == []
        lead_to(storage, sandbox)
        assert jobs.download(job_id, tmp_path / "a.csv").path.read_bytes() == DATA


@pytest.mark.parametrize("checksums", ['{"crc99": "AAAAAA=="}', '{"md5": "?"}', '{"md5": 7}', "[]", "null"])
def test_a_journal_with_a_checksum_that_cannot_be_computed_is_not_trusted(
    checksums: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """As a later version of us could leave it."""
    with serving(lambda asked: Reply(headers=storing(DATA)(asked).headers, body=DATA[:300_000], ends=True)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError):
            jobs.with_options(retry=Retry(attempts=1)).download(job_id, tmp_path / "a.csv")
    journal = tmp_path / "a.csv.part.json"
    text = journal.read_text()
    assert '"checksums": {}' in text
    journal.write_text(text.replace('"checksums": {}', f'"checksums": {checksums}'))
    with serving(storing(DATA)) as storage:
        lead_to(storage, sandbox)
        done = jobs.download(job_id, tmp_path / "a.csv")
    assert done.resumed_from == 0
    assert done.path.read_bytes() == DATA
    assert left_in(tmp_path) == ["a.csv"]
