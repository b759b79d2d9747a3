"""`doctor`: what stands between this machine and a job's result. One request to the API, and never a replay."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import socket
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

import click
import httpx
from attrs import define, field, frozen
from impact_agency_api.api.jobs import list_jobs
from rich.table import Table
from rich.text import Text

from impact_jobs import JobsClient
from impact_jobs._version import __version__
from impact_jobs.cli import exits, output, profiles
from impact_jobs.cli.context import Command, Session, pass_session
from impact_jobs.config import DEFAULT_BASE_URL, Account, is_loopback
from impact_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)
from impact_jobs.httpx_wire import FAILURES, head_of, set_up
from impact_jobs.limits import Limits, server_time
from impact_jobs.port import Head
from impact_jobs.redaction import Secret, in_brief, quiet_logs, secret_url, without_secrets

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

_TIMEOUT_SECONDS = 10.0
_CLOCK_WARNING, _CLOCK_FAILURE = timedelta(seconds=30), timedelta(minutes=5)
_EXPIRES_SOON = timedelta(days=14)
_LITTLE_LEFT = 0.1  # of the hour's requests: what polls leave to others
_LITTLE_ROOM_BYTES = 1024**3
_SERVER_ERRORS = 500
_MARKS = {"ok": ("\u2713", "green"), "warning": ("!", "yellow"), "failed": ("\u2717", "red"), "skipped": ("-", "dim")}


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


@frozen(kw_only=True)
class Target:
    """The API as the session would ask it.

    Attributes:
        base_url: Where it is.
        source: Where the credentials come from, in words.
        client: Makes a client over an httpx client; None without credentials.
        account_sid: Whose, or "".
        error: Why there are no credentials.
    """

    base_url: str
    source: str = ""
    client: Callable[[httpx.Client], JobsClient] | None = None
    account_sid: str = ""
    error: ConfigurationError | None = None


@define
class Heard:
    """What one exchange with the API showed.

    Attributes:
        head: Of the answer; None where none came.
        certificate: Of the server, verified, as `ssl` tells it.
        tls: The protocol, such as "TLSv1.3".
        seconds: How long it took.
        error: What a command would have come to.
    """

    head: Head | None = None
    certificate: Mapping[str, Any] | None = None
    tls: str = ""
    seconds: float = 0.0
    error: JobsError | None = None

    def note(self, response: httpx.Response) -> None:
        """Be the hook that httpx calls with each answer."""
        self.head = head_of(response)
        stream = response.extensions.get("network_stream")
        found = stream.get_extra_info("ssl_object") if stream is not None else None
        if found is not None:
            self.certificate, self.tls = found.getpeercert(), found.version()


@click.command(cls=Command, examples=("impact-jobs doctor", "impact-jobs doctor reports --json"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.pass_context
@pass_session
def doctor(session: Session, context: click.Context, *, folder: Path) -> None:
    """Find out why it does not work, and what to do.

    Looks at credentials, proxies, the API, TLS, the clock, what is left of the hour's requests, and the disk under
    FOLDER, this folder by default. It costs one request, and changes nothing.
    """
    checks = examine(session, folder=folder)
    _write(session, checks)
    context.exit(exits.worst(check.error for check in checks if check.error is not None))


def examine(session: Session, *, folder: Path, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """All checks, whatever fails."""
    target = target_of(session, environ=environ)
    heard = ask(target)
    now = datetime.now(UTC)
    return [
        versions(),
        credentials(target, heard),
        proxy(target.base_url),
        api(target, heard),
        tls(target, heard, now=now, environ=environ),
        clock(heard),
        budget(heard),
        disk(folder),
    ]


def target_of(session: Session, *, environ: Mapping[str, str]) -> Target:
    """Whom `session.client()` would ask, and as whom."""
    url = environ.get("IMPACT_BASE_URL") or DEFAULT_BASE_URL
    try:
        found = profiles.load(session.profile, folder=profiles.config_folder(), environ=environ)
        if found is None:
            JobsClient.from_env().close()  # says what is missing
            sid = environ.get("IMPACT_ACCOUNT_SID", "")
            return Target(
                base_url=url.rstrip("/"),
                source=f"account {sid}, of the environment",
                client=lambda http: JobsClient.from_env(http_client=http, request_timeout=_TIMEOUT_SECONDS),
                account_sid=sid,
            )
    except ConfigurationError as error:
        return Target(base_url=url, error=error)
    file = profiles.config_folder() / profiles.FILE_NAME
    base_url = found.base_url or DEFAULT_BASE_URL
    return Target(
        base_url=base_url.rstrip("/"),
        source=f"account {found.account_sid}, profile {found.name!r} of {file}, readable by you only",
        client=lambda http: JobsClient(
            found.account_sid,
            found.auth_token.reveal(),
            base_url=base_url,
            http_client=http,
            request_timeout=_TIMEOUT_SECONDS,
        ),
        account_sid=found.account_sid,
    )


def ask(target: Target) -> Heard:
    """Ask the API once: for the jobs of today, or without credentials for nothing in particular."""
    heard = Heard()
    try:
        # Without credentials the URL has been looked at by nobody yet.
        Account.of("-", Secret("-"), secret_url(target.base_url))
    except ConfigurationError as error:
        heard.error = error
        return heard
    is_encrypted = _parts(target.base_url).scheme == "https"
    try:
        with set_up(lambda: _httpx_client(heard, trust_env=is_encrypted)) as http:
            begun = time.monotonic()
            heard.error = _exchange(target, http)
            heard.seconds = time.monotonic() - begun
    except ConfigurationError as error:
        heard.error = error
    return heard


def _httpx_client(heard: Heard, *, trust_env: bool) -> httpx.Client:
    return httpx.Client(
        verify=httpx.create_ssl_context(),
        trust_env=trust_env,
        timeout=_TIMEOUT_SECONDS,
        event_hooks={"response": [heard.note]},
    )


def _exchange(target: Target, http: httpx.Client) -> JobsError | None:
    try:
        if target.client is None:
            with quiet_logs(), http.stream("GET", target.base_url):
                return None
        today = datetime.now(UTC).date()
        kwargs = list_jobs._get_kwargs(target.account_sid, created_after=today, created_before=today)  # noqa: SLF001 - as `listing` does
        with target.client(http) as jobs:
            # Not `jobs.list`, which tries again, and may turn pages.
            jobs.generated.get_httpx_client().request(**kwargs)
    except JobsError as error:
        return error
    except FAILURES as error:
        reason = without_secrets(str(error)) or type(error).__name__
        return TransportError(f"GET {in_brief(target.base_url)}: {reason}. Check network and proxy, then try again.")
    return None


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
    where = in_brief(target.base_url)
    took = f"{where} answered {heard.head.status_code} in {heard.seconds:.2f} s" if heard.head else where
    if isinstance(heard.error, AuthenticationError | PermissionDeniedError | RateLimitError):
        return Check("api", "ok", took)  # told elsewhere
    if heard.error is not None:
        return _failed("api", heard.error)
    if heard.head is not None and heard.head.status_code >= _SERVER_ERRORS:
        return Check("api", "warning", took, "Try again later.")
    return Check("api", "ok", took)


def tls(target: Target, heard: Heard, *, now: datetime, environ: Mapping[str, str]) -> Check:
    """Whether the way there is encrypted, and who vouches for the server."""
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)), None)  # httpx heeds one
    trust = f", trusting {named}={in_brief(environ[named])}" if named else ""
    parts = _parts(target.base_url)
    if parts.scheme == "http" and is_loopback(parts.hostname):
        return Check("tls", "skipped", "plain http, which never leaves this machine")
    if parts.scheme == "http":
        return _failed(
            "tls", ConfigurationError(f"{in_brief(target.base_url)} would send the token in clear: use https.")
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
    limits = Limits.of(heard.head) if heard.head else None
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
    parts = _parts(base_url)
    found = urllib.request.getproxies()
    url = found.get("https") or found.get("all") or ""
    if not url:
        return Check("proxy", "ok", "none is set")
    url = url if "://" in url else f"http://{url}"
    shown = without_secrets(url).rstrip("/")
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
        socket.create_connection((parts.hostname or "", port), timeout=_TIMEOUT_SECONDS).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError:  # whose message repeats the URL, password and all
        return "not a URL"
    return ""


def disk(folder: Path) -> Check:
    """Whether results can be written to `folder`: room, rights, and what downloads ask of a file system."""
    shown = in_brief(str(folder.absolute()))
    try:
        free = shutil.disk_usage(folder).free
        missing = _try_out(folder)
    except OSError as error:
        found = f"{shown} cannot be written to ({error.strerror})"
        advice = "Make the folder, correct its rights, or name another: `impact-jobs doctor FOLDER`."
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
        except OSError:
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
    message = output.message_of(error).replace("?*** ", ": ")  # what the query was is of no use here
    return Check(name, "failed", message, error=error)  # and what to do is in it


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _name_in(names: Any) -> str:  # noqa: ANN401 - as `ssl` nests them
    found = {key: value for group in names for key, value in group}
    return output.shown(found.get("organizationName") or found.get("commonName") or "an unnamed authority")


def _write(session: Session, checks: list[Check]) -> None:
    if session.json:
        for check in checks:
            fields = {"name": check.name, "state": check.state, "found": check.found, "advice": check.advice}
            output.write_json(session.out, fields)
        return
    told = [check for check in checks if not session.quiet or check.state in {"warning", "failed"}]
    if not session.out.is_terminal:
        for check in told:
            line = f"{check.state}\t{check.name}\t{check.found}\t{check.advice}"
            output.write_line(session.out, line.rstrip("\t"))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in told:
        mark, style = _MARKS[check.state]
        sign = mark if output.has_unicode(session.out) else check.state
        table.add_row(Text(sign, style=style), Text(check.name), Text(check.found))
        if check.advice:
            table.add_row("", "", Text(check.advice, style="bold"))
    session.out.print(table)
