"""Checksums that storages state, verified against the bytes on disk, however these arrived."""

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


# The headers by which a storage can state the checksums of some data.
STYLES: dict[str, Callable[[bytes], Headers]] = {
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


def job_at(sandbox: Sandbox, storage: RawServer) -> str:
    job_id = sandbox.add_job()
    redirect_to(storage, sandbox)
    return job_id


def redirect_to(storage: RawServer, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"})


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("connections", [None, 3])
def test_the_checksums_of_the_sandbox_are_verified(connections: int | None, tmp_path: Path) -> None:
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


def test_a_file_with_a_correct_checksum_is_kept(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for name, style in STYLES.items():
        with serving(storing(DATA, headers=style(DATA))) as storage:
            for connections in (1, 3):
                target = tmp_path / f"{name} {connections}"
                done = jobs.download(job_at(sandbox, storage), target, connections=connections)
                assert done.path.read_bytes() == DATA, name


def test_a_wrong_checksum_is_an_error_and_leaves_no_file(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for (name, style), (digest, connections) in product(STYLES.items(), ((True, 3), (False, 1))):
        with serving(storing(OTHER, headers=style(DATA))) as storage:
            job_id = job_at(sandbox, storage)
            with pytest.raises(IntegrityError, match=r"announced: (md5|sha1|sha256|sha512|crc32).*Download again"):
                jobs.download(job_id, tmp_path / "a.csv", connections=connections, digest=digest)
            assert len(storage.asked) == connections, f"{name}: it is not requested again automatically"
        assert left_in(tmp_path) == [], name


def test_an_integrity_error_keeps_the_existing_file(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with serving(storing(OTHER, headers=STYLES["Content-MD5"](DATA))) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(IntegrityError, match=job_id):
            jobs.download(job_id, tmp_path / "a.csv", overwrite=True)
    assert (tmp_path / "a.csv").read_text() == "old"
    assert left_in(tmp_path) == ["a.csv"]


IGNORED: list[dict[str, str | tuple[str, ...]]] = [
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


def test_headers_that_are_not_checksums_of_the_file_are_ignored(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for number, headers in enumerate(IGNORED):
        with serving(storing(DATA, headers=headers)) as storage:
            done = jobs.download(job_at(sandbox, storage), tmp_path / f"{number}")
        assert done.path.read_bytes() == DATA, headers


def test_checksums_of_an_encoded_body_are_ignored(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    packed = gzip.compress(DATA)
    headers = {"Content-Encoding": "gzip", **STYLES["Content-MD5"](packed), **STYLES["Repr-Digest"](packed)}
    with serving(storing(packed, headers=headers)) as storage:
        done = jobs.download(job_at(sandbox, storage), tmp_path / "a.csv")
    assert done.path.read_bytes() == DATA
    assert done.sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("style", [STYLES["Content-MD5"], STYLES["Amazon's crc32"], STYLES["two of Repr-Digest"]])
@pytest.mark.parametrize("is_wrong", [False, True], ids=["correct", "wrong"])
def test_a_resumed_download_is_verified_by_the_checksum_in_the_journal(
    style: Callable[[bytes], Headers], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, is_wrong: bool
) -> None:
    stored = OTHER if is_wrong else DATA
    whole = storing(stored, headers=style(DATA))
    with serving(lambda asked: Reply(headers=whole(asked).headers, body=stored[:300_000], ends=True)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError):
            jobs.with_options(retry=Retry(attempts=1)).download(job_id, tmp_path / "a.csv", connections=1)
    assert left_in(tmp_path) == ["a.csv.part", "a.csv.part.json"]
    # The responses for the rest state no checksum, so that of the journal is used.
    with serving(storing(stored)) as storage, sandbox.client() as another:
        redirect_to(storage, sandbox)
        if is_wrong:
            with pytest.raises(IntegrityError):
                another.download(job_id, tmp_path / "a.csv", connections=1)
            assert left_in(tmp_path) == []
        else:
            done = another.download(job_id, tmp_path / "a.csv", connections=1)
            assert done.resumed_from == 300_000
            assert done.path.read_bytes() == DATA
        assert storage.asked[0].headers["range"] == f"bytes=300000-{len(DATA) - 1}"


def test_a_part_corrupted_on_disk_is_detected(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    whole = storing(DATA, headers=STYLES["Content-MD5"](DATA))
    with serving(lambda asked: Reply(headers=whole(asked).headers, body=DATA[:300_000], ends=True)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError):
            jobs.with_options(retry=Retry(attempts=1)).download(job_id, tmp_path / "a.csv")
    with (tmp_path / "a.csv.part").open("r+b") as part:
        part.write(b"spoiled")
    with serving(whole) as storage:
        redirect_to(storage, sandbox)
        with pytest.raises(IntegrityError, match="announced: md5"):
            jobs.download(job_id, tmp_path / "a.csv")
        assert left_in(tmp_path) == []
        redirect_to(storage, sandbox)
        assert jobs.download(job_id, tmp_path / "a.csv").path.read_bytes() == DATA


@pytest.mark.parametrize("checksums", ['{"crc99": "AAAAAA=="}', '{"md5": "?"}', '{"md5": 7}', "[]", "null"])
def test_a_journal_with_a_checksum_that_cannot_be_computed_is_not_trusted(
    checksums: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """As a later version of this library could leave it."""
    with serving(lambda asked: Reply(headers=storing(DATA)(asked).headers, body=DATA[:300_000], ends=True)) as storage:
        job_id = job_at(sandbox, storage)
        with pytest.raises(TransportError):
            jobs.with_options(retry=Retry(attempts=1)).download(job_id, tmp_path / "a.csv")
    journal = tmp_path / "a.csv.part.json"
    text = journal.read_text()
    assert '"checksums": {}' in text
    journal.write_text(text.replace('"checksums": {}', f'"checksums": {checksums}'))
    with serving(storing(DATA)) as storage:
        redirect_to(storage, sandbox)
        done = jobs.download(job_id, tmp_path / "a.csv")
    assert done.resumed_from == 0
    assert done.path.read_bytes() == DATA
    assert left_in(tmp_path) == ["a.csv"]
