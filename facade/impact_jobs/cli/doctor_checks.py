"""The checks of `doctor`: each function returns what it found, a verdict, and advice."""

from __future__ import annotations

import platform
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen

from impact_jobs import JobsError, __version__, errors
from impact_jobs.cli import output
from impact_jobs.cli.probe import TIMEOUT_SECONDS, Target
from impact_jobs.errors import redact, shorten
from impact_jobs.toolkit import Probe, examine_folder, is_loopback

_CLOCK_WARNING, _CLOCK_FAILURE = timedelta(seconds=30), timedelta(minutes=5)
_EXPIRES_SOON = timedelta(days=14)
_LOW_BUDGET = 0.1  # of the hourly requests, below which polls wait
_LOW_DISK_BYTES = 1024**3
_REJECTIONS: Mapping[int | None, str] = {
    401: "Check Account SID and Auth Token on the API settings page of the account, and store them again.",
    403: "Check that the token is active and has the Jobs scope.",
    404: "Check the Account SID.",
}
_ARTICLES = {"agency": "an agency", "brand": "a brand", "partner": "a partner"}
_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_WITHOUT = {
    "flock": "A download that is interrupted starts over; do not let two programs download to one file.",
    "hard links": "Do not let another program create the target during a download: it could be replaced.",
    "fallocate": "A download that does not fit fails only when the disk is full, not before it starts.",
    "fsync": "A power cut may damage files that were just downloaded.",
    "fsync of folders": "A power cut may remove files that were just downloaded.",
}  # by the feature that a folder lacks


@frozen
class Check:
    """The outcome of one check. The `error` is the one that a command would have raised; it decides the exit code."""

    name: str
    state: Literal["ok", "warning", "failed", "skipped"]
    found: str
    advice: str = ""
    error: JobsError | None = field(default=None, kw_only=True, eq=False, repr=False)


def versions() -> Check:
    """Report the versions."""
    found = f"impact-jobs {__version__}, Python {platform.python_version()}, httpx {metadata.version('httpx')}"
    return Check("versions", "ok", f"{found}, {ssl.OPENSSL_VERSION.partition('  ')[0]}")


def credentials(target: Target, probed: Probe) -> Check:
    """Check whether there are credentials, where they come from, and whether the API accepts them, as of that kind."""
    if target.error is not None:
        return _failed("credentials", target.error)
    status = probed.status_code if isinstance(probed.error, errors.ApiError) else None
    if status in _REJECTIONS:
        advice = _REJECTIONS[status]
        if status != HTTPStatus.UNAUTHORIZED:
            others = " or ".join(kind for kind in ("agency", "brand", "partner") if kind != target.kind)
            advice += f" If it is not the account of {_ARTICLES[target.kind]}, pass --account-kind {others}."
        found = f"{target.source}: rejected with {status}"
        return Check("credentials", "failed", found, advice, error=probed.error)
    if probed.error is not None:
        return Check("credentials", "warning", f"{target.source}: not verified", "See the check of the API below.")
    return Check("credentials", "ok", f"{target.source}: accepted")


def api(target: Target, probed: Probe) -> Check:
    """Check whether the API responds, and with which status."""
    where = shorten(target.base_url)
    found = f"{where} responded with {probed.status_code} in {probed.seconds:.2f} s" if probed.status_code else where
    if isinstance(probed.error, errors.AuthenticationError | errors.PermissionDeniedError | errors.RateLimitError):
        return Check("api", "ok", found)  # another check reports it
    if probed.error is not None:
        return _failed("api", probed.error)
    # Without credentials, every status but these shows a healthy API.
    if probed.status_code is not None and probed.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Check("api", "warning", found, "Try again later.")
    return Check("api", "ok", found)


def tls(target: Target, probed: Probe, *, now: datetime, environ: Mapping[str, str]) -> Check:
    """Check whether the connection is encrypted, and who issued the certificate."""
    variable = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)), None)  # as httpx does
    trust = f", trusting {variable}={shorten(environ[variable])}" if variable else ""
    parts = _split(target.base_url)
    if parts.scheme == "http" and is_loopback(parts.hostname):
        return Check("tls", "skipped", "plain http, which never leaves this machine")
    if parts.scheme == "http":
        found = f"{shorten(target.base_url)} would send the token unencrypted: use https."
        return _failed("tls", errors.ConfigurationError(found))
    if probed.certificate is None:
        if probed.error is not None and any(word in str(probed.error) for word in ("SSL", "certificate")):
            advice = "If a proxy inspects TLS, add its certificate authority to the file that SSL_CERT_FILE names."
            return Check("tls", "failed", f"no trusted connection{trust}", advice, error=probed.error)
        return Check("tls", "skipped", f"no connection to examine{trust}")
    issuer = _organization(probed.certificate.get("issuer", ()))
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(probed.certificate["notAfter"]), UTC)
    found = f"{probed.tls_version}, certificate verified{trust}, issued by {issuer}, valid until {expires:%Y-%m-%d}"
    if expires - now < _EXPIRES_SOON:
        return Check("tls", "warning", found, "It expires soon; unless it is renewed, requests will fail.")
    return Check("tls", "ok", found)


def clock(probed: Probe) -> Check:
    """Compare this machine's clock with the server's, because it decides what "2d" means and when links expire."""
    if probed.server_time is None or probed.received_at is None:
        return Check("clock", "skipped", "the server did not state the time")
    # The header is in whole seconds, so the server's time is half a second later on average.
    ahead = probed.received_at - probed.server_time - timedelta(seconds=0.5)
    found = f"{abs(ahead.total_seconds()):.0f} s {'ahead of' if ahead > timedelta() else 'behind'} the server's"
    advice = "Set the clock of this machine, preferably by NTP (`timedatectl set-ntp true`)."
    if abs(ahead) > _CLOCK_FAILURE:
        return Check("clock", "failed", found, advice, error=errors.ConfigurationError(found))
    if abs(ahead) > _CLOCK_WARNING:
        return Check("clock", "warning", found, advice)
    return Check("clock", "ok", found)


def budget(probed: Probe) -> Check:
    """Check how many requests the account has left."""
    if isinstance(probed.error, errors.RateLimitError):
        retry_after = probed.error.retry_after
        found = "requests are rejected" + (f" for another {retry_after:.0f} s" if retry_after is not None else "")
        advice = "Wait; poll less, or share one client between your programs."
        return Check("budget", "failed", found, advice, error=probed.error)
    remaining, limit, reset = probed.requests_remaining, probed.requests_limit, probed.reset_seconds
    if remaining is None:
        return Check("budget", "skipped", "the API did not state how many requests are left this hour")
    found = f"{remaining:,.0f}{f' of {limit:,.0f}' if limit else ''} requests left"
    found += f", renewed in {reset / 60:.0f} min" if reset is not None else ""
    if limit and remaining < _LOW_BUDGET * limit:
        return Check("budget", "warning", found, "Polls wait for the next hour; poll less, or share one client.")
    return Check("budget", "ok", found)


def proxy(base_url: str) -> Check:
    """Check which proxies lead to the API and to the storage, and whether they can be reached."""
    parts = _split(base_url)
    proxies = urllib.request.getproxies()
    url = proxies.get("https") or proxies.get("all") or ""
    if not url:
        return Check("proxy", "ok", "none is set")
    url = url if "://" in url else f"http://{url}"
    redacted = redact(url).rstrip("/")
    is_used_for_api = parts.scheme == "https" and not urllib.request.proxy_bypass(parts.netloc)
    found = f"{redacted} {'for the API and' if is_used_for_api else 'not for the API, but'} for the storage"
    found += f", except for NO_PROXY={shorten(proxies['no'])}" if proxies.get("no") else ""
    if problem := _connection_problem(url):
        error = errors.TransportError(f"the proxy {redacted} cannot be reached: {problem}.")
        return Check("proxy", "failed", f"{found}: {problem}", "Check HTTPS_PROXY and ALL_PROXY.", error=error)
    return Check("proxy", "ok", found)


def _connection_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme not in _PROXY_PORTS:
            return "not the URL of a proxy, so it is not used"
        port = parts.port or _PROXY_PORTS[parts.scheme]
        socket.create_connection((parts.hostname or "", port), timeout=TIMEOUT_SECONDS).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError:  # its message repeats the URL with the password
        return "not a URL, so it is not used"
    return ""


def disk(folder: Path) -> Check:
    """Check whether results can be written to `folder`: space, permissions, and what downloads use."""
    path = shorten(str(folder.absolute()))
    try:
        features = examine_folder(folder)
    except errors.ConfigurationError as error:  # no file can be downloaded on this platform
        return Check("disk", "warning", str(error))
    except OSError as error:
        found = f"{path} cannot be written to ({error.strerror})"
        advice = (
            "Free space, create the folder, correct its permissions, or check another: `impact-jobs doctor FOLDER`."
        )
        return Check("disk", "failed", found, advice, error=errors.ConfigurationError(found))
    free, missing = features.free, features.missing
    found = f"{path}: {'free space unknown' if free is None else f'{free / 1024**3:,.1f} GiB free'}"
    if missing:
        advice = " ".join(_WITHOUT[feature] for feature in missing)
        return Check("disk", "warning", f"{found}, no {', no '.join(missing)}", advice)
    if free is not None and free < _LOW_DISK_BYTES:
        return Check("disk", "warning", found, "Large results will not fit.")
    return Check("disk", "ok", f"{found}, writable")


def _failed(name: str, error: JobsError) -> Check:
    message = output.error_message(error).replace("?***", "")  # the redacted query only distracts here
    return Check(name, "failed", message, error=error)  # the message includes advice


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _organization(names: Any) -> str:  # noqa: ANN401 - as `ssl` nests them
    found = {key: value for group in names for key, value in group}
    return output.one_line(found.get("organizationName") or found.get("commonName") or "an unnamed authority")
