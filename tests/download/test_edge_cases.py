"""Downloads in which several conditions coincide."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from impact_jobs import DownloadError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

QUICK = Retry(base_delay=0.0)
MIB = 1024 * 1024


def test_a_download_into_a_folder_is_resumed_under_the_storage_s_name(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    for after in (1000, 0, 0, 0, 0):
        sandbox.cut_next_download(after)
    with pytest.raises(TransportError):
        jobs.with_options(retry=QUICK).download(job_id, tmp_path)
    (part,) = tmp_path.glob("*.part")
    done = jobs.download(job_id, tmp_path)
    assert (done.resumed_from, done.sha256) == (1000, sandbox.result(job_id).sha256)
    assert done.path.name == done.filename == part.name.removesuffix(".part")
    assert [path.name for path in tmp_path.iterdir()] == [done.filename]


@pytest.mark.parametrize("connections", [None, 1, 3])
def test_a_body_that_ends_early_without_an_error_is_never_kept(
    connections: int | None, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A custom transport may not check the length of a body, as that of httpx does."""

    def storage(_: httpx.Request) -> httpx.Response:
        headers = {"Content-Length": str(100 * MIB), "ETag": '"v1"', "Accept-Ranges": "bytes"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(bytes(MIB)))

    job_id = sandbox.add_job()
    with (
        httpx.Client(transport=httpx.MockTransport(storage)) as own,
        sandbox.client(storage_client=own, retry=QUICK) as jobs,
        pytest.raises(DownloadError, match="Try again later"),
    ):
        jobs.download(job_id, tmp_path / "a.csv", connections=connections)
    assert not (tmp_path / "a.csv").exists()
