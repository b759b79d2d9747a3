"""The rows about transfers: one stream, digest, fsync, ranges, chunked, memory, small files."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen
from impact_jobs.sandbox import Sandbox

from tests.benchmarks.measuring import Contestant, Figures, digest, measure
from tests.benchmarks.rows import Row
from tests.benchmarks.servers import Nginx

_SMALL_FILES = 1000


@frozen(kw_only=True)
class Bench:
    """The settings that all rows share.

    Attributes:
        sandbox: The API; it runs in the measuring process, not in a measured one.
        nginx: The storage.
        files: The folder that it serves.
        output: The file that each contestant writes.
        runs: The number of runs of each contestant.
        large: The name of the large file.
    """

    sandbox: Sandbox
    nginx: Nginx
    files: Path
    output: Path
    runs: int
    large: str = "1g"

    def run(self, contestants: Sequence[Contestant | None], served: str = "") -> dict[str, Figures]:
        """Measure the contestants that are installed; each must write the file `served`."""
        sha256 = digest(self.files / served) if served else None
        there = [one for one in contestants if one is not None]
        return measure(there, runs=self.runs, output=self.output, sha256=sha256)

    def command(self, name: str, *command: str) -> Contestant | None:
        """Return a program of the system as a contestant; if it is not installed, say so and return None."""
        if shutil.which(command[0]) is None:
            sys.stderr.write(f"{name}: {command[0]} is not installed, so the table lacks it\n")
            return None
        return Contestant(name, command, {}, lambda: None)

    def python(
        self, name: str, client: str, url: str, environ: Mapping[str, str], before: Callable[[], None] = lambda: None
    ) -> Contestant:
        """Return a contestant of the module `clients`."""
        command = [sys.executable, "-m", "tests.benchmarks.clients", client, url, str(self.output)]
        return Contestant(name, command, environ, before)

    def ours(self, name: str, url: str, *, client: str = "ours", **options: str) -> Contestant:
        """Return our client as a contestant; it downloads a job whose result is at `url`."""
        job_id = self.sandbox.add_job()
        environ = {**self.sandbox.environ, "BENCH_JOB": job_id, **{f"BENCH_{k.upper()}": v for k, v in options.items()}}
        if url.startswith("https"):
            environ["SSL_CERT_FILE"] = str(self.nginx.ca)

        def link() -> None:
            self.sandbox.answer_next("GET", f"{job_id}/Download", status=302, headers={"Location": url})

        return self.python(name, client, url, environ, link)


def one_stream(bench: Bench, scheme: str) -> list[Row]:
    """Download over one connection, from nginx to a file."""
    origin = bench.nginx.https if scheme == "HTTPS" else bench.nginx.http
    url = f"{origin}/{bench.large}"
    out, ca = str(bench.output), str(bench.nginx.ca)
    fetch = shlex.join(["curl", "-sf", "--cacert", ca, "-o", out, url])
    trust = {"SSL_CERT_FILE": ca} if scheme == "HTTPS" else {}
    figures = bench.run(
        [
            bench.command("curl", "curl", "-sf", "--cacert", ca, "-o", out, url),
            bench.command("wget", "wget", "-q", f"--ca-certificate={ca}", "-O", out, url),
            bench.command("aria2c -x1", *_aria2c(bench.output, ca, 1), url),
            bench.python("pycurl", "pycurl", url, trust),
            bench.python("requests", "requests", url, trust),
            bench.python("httpx iter_raw", "httpx", url, trust),
            bench.ours("ours", url),
            bench.ours("ours with sha256", url, digest="1"),
            bench.ours("ours x 8", url, connections="8"),
            bench.ours("ours as it comes", url, digest="1", connections="auto"),
            bench.command("curl; sync", "sh", "-c", f"{fetch} && sync {shlex.quote(out)}"),
            bench.command("curl; sha256sum", "sh", "-c", f"{fetch} && sha256sum {shlex.quote(out)}"),
        ],
        bench.large,
    )
    curl, ours, hashed = figures["curl"], figures["ours"], figures["ours with sha256"]
    is_http = scheme == "HTTP"
    rows = [
        _speed(f"{scheme}: one stream to a file (fsync included)", ours, curl, 1.5 if is_http else 1.0),
        _cpu(f"{scheme}: CPU of that", ours, curl, 0.7 if is_http else 1.1),
        _speed(f"{scheme}: with fsync", ours, figures["curl; sync"], 1.5, peer="curl; sync"),
        _speed(f"{scheme}: with sha256 (and fsync)", hashed, figures["curl; sha256sum"], 3.0, peer="curl; sha256sum"),
        _speed(f"{scheme}: not throttled, N = 8", figures["ours x 8"], curl, 0.9),
    ]
    rows.append(
        _speed(f"{scheme}: defaults (sha256, fsync, connections=None)", figures["ours as it comes"], curl, None)
    )
    peers = [name for name in figures if not name.startswith(("ours", "curl"))]
    rows += [_speed(f"{scheme}: one stream to a file", ours, figures[name], None, peer=name) for name in peers]
    rows.append(_speed(f"{scheme}: the digest's cost, ours with / without", hashed, ours, None, peer="ours"))
    return rows


def in_memory(bench: Bench) -> list[Row]:
    """Compare `jobs.stream` with `curl -o /dev/null`."""
    rows = []
    for scheme, origin in (("HTTP", bench.nginx.http), ("HTTPS", bench.nginx.https)):
        url = f"{origin}/{bench.large}"
        figures = bench.run(
            [
                bench.command("curl", "curl", "-sf", "--cacert", str(bench.nginx.ca), "-o", "/dev/null", url),
                bench.ours("ours", url, client="ours-in-memory"),
            ]
        )
        rows.append(_speed(f"{scheme}: jobs.stream, nothing on disk", figures["ours"], figures["curl"], None))
    return rows


def small(bench: Bench) -> list[Row]:
    """Download a thousand results of a kilobyte in sequence, each through the API; only ours are synced."""
    box, folder = bench.sandbox, bench.output.with_name(f"{bench.output.name}.d")
    ids = [box.add_job(result_bytes=1024) for _ in range(_SMALL_FILES)]
    template = f"{box.base_url}/Agencies/{box.account_sid}/Jobs/{{}}/Download"
    environ = {**box.environ, "BENCH_JOBS": " ".join(ids)}
    config = bench.output.with_name("curl.config")
    config.write_text("".join(f'url = "{template.format(one)}"\noutput = "{folder / one}"\n' for one in ids))

    def clear() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    credentials = f"{box.account_sid}:{box.auth_token}"
    figures = bench.run(
        [
            Contestant("curl", ["curl", "-sfL", "-u", credentials, "-K", str(config)], {}, clear),
            bench.python("requests", "requests-small", template, environ, clear),
            bench.python("ours", "ours-small", "", environ, clear),
        ]
    )
    return [
        _speed(f"1 KB x {_SMALL_FILES:,}, one by one (each synced)", figures["ours"], figures[name], None, peer=name)
        for name in ("curl", "requests")
    ]


def throttled(bench: Bench) -> list[Row]:
    """Download from a storage that limits each connection to 20 MB/s."""
    url = f"{bench.nginx.http}/slow/256m"
    figures = bench.run(
        [
            bench.command("curl", "curl", "-sf", "-o", str(bench.output), url),
            bench.command("aria2c -x8", *_aria2c(bench.output, str(bench.nginx.ca), 8), url),
            bench.python("range threads x 8", "range-threads", url, {}),
            bench.ours("ours x 8", url, connections="8"),
            bench.ours("ours, connections=None", url, connections="auto"),
        ],
        "256m",
    )
    rows = [_speed("throttled 20 MB/s, N = 8", figures["ours x 8"], figures["curl"], 7.5)]
    if "aria2c -x8" in figures:
        rows.append(_speed("throttled, N = 8", figures["ours x 8"], figures["aria2c -x8"], 1.05, peer="aria2c -x8"))
    rows += [
        _speed("throttled, N = 8", figures["ours x 8"], figures["range threads x 8"], None, peer="range threads"),
        _speed("throttled, connections=None", figures["ours, connections=None"], figures["curl"], None),
    ]
    return rows


def chunked(bench: Bench) -> list[Row]:
    """Download with `Mode=Stream`, which states no length, from the sandbox itself."""
    job_id = bench.sandbox.add_job(result_bytes=1024 * 1024 * 1024)
    box = bench.sandbox
    url = f"{box.base_url}/Agencies/{box.account_sid}/Jobs/{job_id}/Download?Mode=Stream"
    credentials = f"{box.account_sid}:{box.auth_token}"
    environ = {**box.environ, "BENCH_JOB": job_id, "BENCH_STREAM": "1"}
    figures = bench.run(
        [
            bench.command("curl", "curl", "-sf", "-u", credentials, "-o", str(bench.output), url),
            bench.python("ours", "ours", url, environ),
        ]
    )
    return [_speed("Mode=Stream (chunked), 1 GiB", figures["ours"], figures["curl"], 0.55)]


def memory(bench: Bench) -> list[Row]:
    """Compare the peak memory of a large and a small file."""
    peaks = {}
    for name in (bench.large, "64m"):
        report = bench.output.with_name("peak")
        bench.run([bench.ours(name, f"{bench.nginx.http}/{name}", digest="1", peak=str(report))])
        peaks[name] = int(report.read_text()) * 1024 / 1e6
    high, low = peaks[bench.large], peaks["64m"]
    return [
        Row("peak memory, in all", high, 60.0, high, 60.0, is_floor=False, unit="MB", peer_name="bound"),
        Row(
            "peak memory, 1 GiB less 64 MiB", high, low, high - low, 5.0, is_floor=False, unit="MB", peer_name="64 MiB"
        ),
    ]


def _speed(what: str, ours: Figures, peer_figures: Figures, target: float | None, *, peer: str = "curl") -> Row:
    return Row(what, ours.seconds, peer_figures.seconds, peer_figures.seconds / ours.seconds, target, peer_name=peer)


def _cpu(what: str, ours: Figures, peer: Figures, target: float) -> Row:
    ratio = ours.cpu_seconds / peer.cpu_seconds
    return Row(what, ours.cpu_seconds, peer.cpu_seconds, ratio, target, is_floor=False)


def _aria2c(output: Path, ca: str, connections: int) -> list[str]:
    count = str(connections)
    return [
        *("aria2c", "-q", f"-x{count}", f"-s{count}", "-k1M", "--file-allocation=none", "--allow-overwrite=true"),
        *(f"--ca-certificate={ca}", "-d", str(output.parent), "-o", output.name),
    ]
