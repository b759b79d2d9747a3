"""What `doctor` looks at, a function a check: each makes of what was seen a verdict and an advice."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import shutil
import socket
import ssl
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import httpx
from attrs import field, frozen

from impact_jobs import __version__
from impact_jobs._account import is_loopback
from impact_jobs._policy.rate_limit_headers import RateLimitHeaders, server_time
from impact_jobs._redaction import redact, shorten
from impact_jobs.cli import output
from impact_jobs.cli.probe import TIMEOUT_SECONDS, Heard, Target, parts_of
from impact_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

_CLOCK_WARNING, _CLOCK_FAILURE = timedelta(seconds=30), timedelta(minutes=5)
_EXPIRES_SOON = timedelta(days=14)
_LITTLE_LEFT = 0.1  # of the hour's requests: what polls leave to others
_LITTLE_ROOM_BYTES = 1024**3


@frozen
class Check:
    """What came of one check.

    Attributes:
        name: What was looked at.
        state: "ok", "warning", "failed" or "skipped".
        found: What was seen.
        advice: What to do, or "" where `found` says it.
        error: For a failure, the error that a command would have come to; it decides the exit code.
    """

    name: str
    state: State
    found: str
    advice: str = ""
    error: JobsError | None = field(default=None, kw_only=True, eq=False, repr=False)


def versions() -> Check:
    """What runs."""
    found = f"impact-jobs {__version__}, Python {platform.python_version()}, httpx {httpx.__version__}"
    return Check("versions", "ok", f"{found}, {ssl.OPENSSL_VERSION.partition('  ')[0]}")


def credentials(target: Target, heard: Heard) -> Check:
    """Whether there are credentials, where from, and whether the API takes them."""
    if target.error is not None:
        return _failed("credentials", target.error)
    if isinstance(heard.error, AuthenticationError):
        advice = "Check Account SID and Auth Token on the API settings page of the account, and store them again."
        return Check("credentials", "failed", f"{target.source}: refused with 401", advice, error=heard.error)
    if isinstance(heard.error, PermissionDeniedError):
        advice = "Check that the token is active and has the Jobs scope."
        return Check("credentials", "failed", f"{target.source}: refused with 403", advice, error=heard.error)
    if heard.error is not None:
        return Check("credentials", "warning", f"{target.source}: not known whether they are taken", "See api, below.")
    return Check("credentials", "ok", f"{target.source}: accepted")


def api(target: Target, heard: Heard) -> Check:
    """Whether the API answers, and with what."""
    where = shorten(target.base_url)
    took = f"{where} answered {heard.head.status_code} in {heard.seconds:.2f} s" if heard.head else where
    if isinstance(heard.error, AuthenticationError | PermissionDeniedError | RateLimitError):
        return Check("api", "ok", took)  # told elsewhere
    if heard.error is not None:
        return _failed("api", heard.error)
    # Asked without credentials, the API may say what it likes, but for this.
    if heard.head is not None and heard.head.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Check("api", "warning", took, "Try again later.")
    return Check("api", "ok", took)


def tls(target: Target, heard: Heard, *, now: datetime, environ: Mapping[str, str]) -> Check:
    """Whether the way there is encrypted, and who vouches for the server."""
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)), None)  # httpx heeds one
    trust = f", trusting {named}={shorten(environ[named])}" if named else ""
    parts = parts_of(target.base_url)
    if parts.scheme == "http" and is_loopback(parts.hostname):
        return Check("tls", "skipped", "plain http, which never leaves this machine")
    if parts.scheme == "http":
        return _failed(
            "tls", ConfigurationError(f"{shorten(target.base_url)} would send the token in clear: use https.")
        )
    if heard.certificate is None:
        if heard.error is not None and any(word in str(heard.error) for word in ("SSL", "certificate")):
            advice = "Where a proxy opens TLS, put its certificate authority into the file that SSL_CERT_FILE names."
            return Check("tls", "failed", f"no trusted connection{trust}", advice, error=heard.error)
        return Check("tls", "skipped", f"no connection to look at{trust}")
    issuer = _name_in(heard.certificate.get("issuer", ()))
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(heard.certificate["notAfter"]), UTC)
    found = f"{heard.tls}, certificate verified{trust}, issued by {issuer}, good until {expires:%Y-%m-%d}"
    if expires - now < _EXPIRES_SOON:
        return Check("tls", "warning", found, "It ends soon; if it is not renewed, requests will fail.")
    return Check("tls", "ok", found)


def clock(heard: Heard) -> Check:
    """Our clock beside the server's, by which moments such as "2d" are told and links expire."""
    if heard.head is None or "date" not in heard.head.headers:
        return Check("clock", "skipped", "no server told the time")
    # The header is in whole seconds, and the answer took its time.
    ahead = heard.head.received_at - server_time(heard.head) - timedelta(seconds=0.5)
    found = f"{abs(ahead.total_seconds()):.0f} s {'ahead of' if ahead > timedelta() else 'behind'} the server's"
    advice = "Set the clock of this machine, best by NTP (`timedatectl set-ntp true`)."
    if abs(ahead) > _CLOCK_FAILURE:
        return Check("clock", "failed", found, advice, error=ConfigurationError(found))
    if abs(ahead) > _CLOCK_WARNING:
        return Check("clock", "warning", found, advice)
    return Check("clock", "ok", found)


def budget(heard: Heard) -> Check:
    """What is left of the account's requests."""
    limits = RateLimitHeaders.from_head(heard.head) if heard.head else None
    if isinstance(heard.error, RateLimitError):
        again = f" for {heard.error.retry_after:.0f} s" if heard.error.retry_after is not None else ""
        advice = "Wait; poll less, or share one client between your programs."
        return Check("budget", "failed", f"no request is taken{again}", advice, error=heard.error)
    if limits is None or limits.remaining is None:
        return Check("budget", "skipped", "the API did not tell what is left of the hour's requests")
    renewed = f", anew in {limits.reset / 60:.0f} min" if limits.reset is not None else ""
    of = f" of {limits.limit:,.0f}" if limits.limit else ""
    found = f"{limits.remaining:,.0f}{of} requests left{renewed}"
    if limits.limit and limits.remaining < _LITTLE_LEFT * limits.limit:
        return Check("budget", "warning", found, "Polls wait for the next hour; poll less, or share one client.")
    return Check("budget", "ok", found)


def proxy(base_url: str) -> Check:
    """Which proxies the way to the API, and to the storage, leads through, and whether they are there."""
    parts = parts_of(base_url)
    found = urllib.request.getproxies()
    url = found.get("https") or found.get("all") or ""
    if not url:
        return Check("proxy", "ok", "none is set")
    url = url if "://" in url else f"http://{url}"
    shown = redact(url).rstrip("/")
    to_api = parts.scheme == "https" and not urllib.request.proxy_bypass(parts.netloc)
    ways = f"{shown} {'for the API and' if to_api else 'not for the API, but'} for the storage"
    ways += f", but for NO_PROXY={found['no']}" if found.get("no") else ""
    if problem := _unreachable(url):
        error = TransportError(f"the proxy {shown} cannot be reached: {problem}.")
        return Check("proxy", "failed", f"{ways}: {problem}", "Check HTTPS_PROXY and ALL_PROXY.", error=error)
    return Check("proxy", "ok", ways)


def _unreachable(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "socks5": 1080, "socks5h": 1080}.get(parts.scheme, 80)
        socket.create_connection((parts.hostname or "", port), timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError:  # whose message repeats the URL, password and all
        return "not a URL"
    return ""


def disk(folder: Path) -> Check:
    """Whether results can be written to `folder`: room, rights, and what downloads ask of a file system."""
    shown = shorten(str(folder.absolute()))
    try:
        free = shutil.disk_usage(folder).free
        missing = _try_out(folder)
    except OSError as error:
        found = f"{shown} cannot be written to ({error.strerror})"
        advice = "Make room, or the folder; correct its rights; or name another: `impact-jobs doctor FOLDER`."
        return Check("disk", "failed", found, advice, error=ConfigurationError(found))
    room = f"{shown}: {free / 1024**3:,.1f} GiB free"
    if "flock" in missing:
        advice = "Two downloads into one file would not see each other there: use a local disk."
        found = f"{room}, no {' and no '.join(missing)}"
        return Check("disk", "failed", found, advice, error=ConfigurationError(found))
    if missing:
        return Check("disk", "warning", f"{room}, no {missing[0]}", "A full disk is noticed only when it is full.")
    if free < _LITTLE_ROOM_BYTES:
        return Check("disk", "warning", room, "Large results will not fit.")
    return Check("disk", "ok", f"{room}, writable")


def _try_out(folder: Path) -> list[str]:
    """What a file in `folder` cannot do that downloads ask for. What cannot be done without raises OSError."""
    missing = []
    handle, name = tempfile.mkstemp(prefix=".impact-jobs-doctor.", dir=folder)
    other = f"{name}.renamed"
    try:
        try:
            os.posix_fallocate(handle, 0, 4096)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            missing.append("fallocate")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            missing.append("flock")
        os.fsync(handle)
        Path(name).rename(other)
    finally:
        os.close(handle)
        for made in (name, other):
            with suppress(FileNotFoundError):
                Path(made).unlink()
    return missing


def _failed(name: str, error: JobsError) -> Check:
    message = output.message_of(error).replace("?***", "")  # that there was a query is of no use here
    return Check(name, "failed", message, error=error)  # and what to do is in it


def _name_in(names: Any) -> str:  # noqa: ANN401 - as `ssl` nests them
    found = {key: value for group in names for key, value in group}
    return output.shown(found.get("organizationName") or found.get("commonName") or "an unnamed authority")
