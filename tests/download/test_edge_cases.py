"""Downloads where several things come together."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from impact_jobs import DownloadError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

QUICK = Retry(base_delay=0.0)
MIB = 1024 * 1024


def test_a_download_into_a_folder_goes_on_under_the_name_that_the_storage_gave(
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
def test_a_large_body_that_ends_early_without_a_word_is_never_a_file(
    connections: int | None, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A transport of the user's own may not hold a body against its length, as httpx's does."""

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
