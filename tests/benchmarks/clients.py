"""Run one Python contestant: `python -m tests.benchmarks.clients NAME URL FILE`.

Each function imports only what it needs, because imports count in the measurement.
"""

# ruff: noqa: PLC0415 - see above
from __future__ import annotations

import os
import sys
import threading

_MIB = 1024 * 1024


def ours(url: str, path: str) -> None:
    """Call `JobsClient.download`; the credentials of the API, which redirects to `url`, are in the environment."""
    from impact_jobs import JobsClient

    del url
    count = os.environ.get("BENCH_CONNECTIONS", "1")
    with JobsClient.from_env() as jobs:
        jobs.download(
            os.environ["BENCH_JOB"],
            path,
            connections=None if count == "auto" else int(count),
            digest="BENCH_DIGEST" in os.environ,
            mode="stream" if "BENCH_STREAM" in os.environ else "redirect",
        )
    _write_peak()


def join(folder: str, path: str) -> None:
    """Call `join_csv` with all files of a folder; with BENCH_ROWS, they have been counted before."""
    from pathlib import Path

    from impact_jobs._download.joining import join_csv

    sources = sorted(Path(folder).glob("*.csv"))
    rows = os.environ.get("BENCH_ROWS")
    with open(path, "wb", buffering=0) as target:  # noqa: PTH123
        join_csv(sources, target, known_rows={} if rows is None else dict.fromkeys(sources, int(rows)))
    _write_peak()


def _write_peak() -> None:
    if "BENCH_PEAK" in os.environ:
        # wait4 is no use here: the peak of a child includes the size of its parent before exec.
        with open("/proc/self/status") as status, open(os.environ["BENCH_PEAK"], "w") as peak:  # noqa: PTH123
            peak.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))


def ours_in_memory(url: str, path: str) -> None:
    """Read `JobsClient.stream`, and drop the bytes."""
    from impact_jobs import JobsClient

    del url, path
    with JobsClient.from_env() as jobs, jobs.stream(os.environ["BENCH_JOB"]) as chunks:
        for _ in chunks:
            continue


def ours_small(url: str, path: str) -> None:
    """Call `JobsClient.download` for each of many small results."""
    from impact_jobs import JobsClient

    del url
    with JobsClient.from_env() as jobs:
        for job_id in os.environ["BENCH_JOBS"].split():
            jobs.download(job_id, f"{path}.d/{job_id}", digest=False)


def requests_small(url: str, path: str) -> None:
    """Do the same with requests, without verification and fsync."""
    import requests

    with requests.Session() as session:
        session.auth = (os.environ["IMPACT_ACCOUNT_SID"], os.environ["IMPACT_AUTH_TOKEN"])
        for job_id in os.environ["BENCH_JOBS"].split():
            with session.get(url.format(job_id), timeout=60) as answer, open(f"{path}.d/{job_id}", "wb") as file:  # noqa: PTH123
                file.write(answer.content)


def requests_(url: str, path: str) -> None:
    """Download with requests, in chunks of a mebibyte."""
    import requests

    verify = os.environ.get("SSL_CERT_FILE") or True
    with requests.get(url, stream=True, timeout=60, verify=verify) as response, open(path, "wb") as file:  # noqa: PTH123
        file.writelines(response.iter_content(_MIB))


def httpx_raw(url: str, path: str) -> None:
    """Download with httpx, in chunks as they arrive."""
    import httpx

    with httpx.stream("GET", url, timeout=60) as response, open(path, "wb") as file:  # noqa: PTH123
        file.writelines(response.iter_raw())


def pycurl_(url: str, path: str) -> None:
    """Download with pycurl, directly into the file."""
    import pycurl

    with open(path, "wb") as file:  # noqa: PTH123
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.WRITEDATA, file)
        if "SSL_CERT_FILE" in os.environ:
            handle.setopt(pycurl.CAINFO, os.environ["SSL_CERT_FILE"])
        handle.perform()
        handle.close()


def range_threads(url: str, path: str) -> None:
    """Download in eight threads with a range each, like boto's transfer manager."""
    import requests

    size = int(requests.head(url, timeout=60).headers["content-length"])
    step = -(-size // 8)

    def fetch(start: int) -> None:
        headers = {"Range": f"bytes={start}-{min(start + step, size) - 1}"}
        with requests.get(url, headers=headers, stream=True, timeout=60) as response, open(path, "r+b") as file:  # noqa: PTH123
            file.seek(start)
            file.writelines(response.iter_content(_MIB))

    with open(path, "wb") as file:  # noqa: PTH123
        file.truncate(size)
    threads = [threading.Thread(target=fetch, args=(start,)) for start in range(0, size, step)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    _, name, its_url, its_path = sys.argv
    {
        "ours": ours,
        "ours-in-memory": ours_in_memory,
        "ours-small": ours_small,
        "requests-small": requests_small,
        "requests": requests_,
        "httpx": httpx_raw,
        "pycurl": pycurl_,
        "range-threads": range_threads,
        "join": join,
    }[name](its_url, its_path)
