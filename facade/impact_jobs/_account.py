"""Check the account, the API's URL and the credentials before any request, and find the id in a reference to a job."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import socket
from contextlib import suppress
from operator import index
from typing import Any, SupportsIndex, TypeAlias
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from uuid import UUID

from attrs import evolve, field, frozen

from impact_jobs._account_kinds import AGENCY, BRAND, AccountKind, AccountKindName, account_kind, kind_of_collection
from impact_jobs._redaction import Secret, redact, shorten
from impact_jobs.errors import ConfigurationError
from impact_jobs.models import GeneratedJob, Job

JobReference: TypeAlias = Job | GeneratedJob | UUID | str
"""A reference to a job: a `Job`, the generated `Job`, a UUID, its text, or the path or URL of a job."""

DEFAULT_BASE_URL = "https://api.impact.com"

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ACCOUNT_SID = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]+")
_SPACE_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff]")
_JOB_PATH = re.compile(
    r"(?:(?P<prefix>.*?)/)??"
    r"(?P<scope>(?P<collection>Agencies|Advertisers|Mediapartners)/(?P<sid>[^/]+)"
    r"(?:/Advertisers/(?P<advertiser>[^/]+))?)"
    r"/Jobs/(?P<job>[^/]+?)(?:\.json)?(?:/(?:Download|Replay)(?:\.json)?)?/?"
)
_ADVERTISER_ID = re.compile(r"[1-9][0-9]{0,17}")
_MAX_DECODINGS = 4


@frozen(kw_only=True)
class Account:
    """An account and its credentials at one base URL, which has no slash at its end."""

    sid: str
    token: Secret
    base_url: str
    kind: AccountKind = field(default=AGENCY, repr=lambda kind: repr(kind.name))  # whose rules hold
    advertiser: str | None = None  # the id of the brand that an agency's client is for

    @property
    def path(self) -> str:
        """The path below which everything of the account is, such as "/Agencies/IRabc"."""
        if self.advertiser is not None:
            return f"/Agencies/{self.sid}/Advertisers/{self.advertiser}"
        return f"/{self.kind.collection}/{self.sid}"

    @property
    def name(self) -> str:
        """What a manifest calls it: its SID; for a brand of an agency, with "/" and the brand's id."""
        return self.sid if self.advertiser is None else f"{self.sid}/{self.advertiser}"

    @classmethod
    def create(cls, sid: str, token: Secret, base_url: Secret, *, kind: AccountKind = AGENCY) -> Account:
        """Check the parts of an account and create it."""
        if not isinstance(sid, str) or not _ACCOUNT_SID.fullmatch(sid):
            # The message does not show it, because it may be the token, passed in the wrong place.
            raise ConfigurationError("account_sid is not an Account SID: copy it from the API settings page.")
        _check_token(token)
        return cls(sid=sid, token=token, base_url=_check_base_url(base_url), kind=kind)

    def for_advertiser(self, advertiser_id: int | str) -> Account:
        """Return this agency's account for one of its brands: the agency's credentials, and a brand's rules.

        The vendor says that all endpoints of a brand are supported there. That their rules hold there, too, such as the
        version of the brand API, is inferred.
        """
        if self.advertiser is not None or self.kind != AGENCY:
            raise ConfigurationError(
                f"for_advertiser needs the client of an agency, but this one is for {self.path}: call it on "
                "JobsClient(…, account='agency')."
            )
        if isinstance(advertiser_id, SupportsIndex) and not isinstance(advertiser_id, bool):  # numpy's integers, too
            advertiser_id = str(index(advertiser_id))
        if not isinstance(advertiser_id, str) or not _ADVERTISER_ID.fullmatch(advertiser_id.strip()):
            text = advertiser_id if isinstance(advertiser_id, str) else f"a {type(advertiser_id).__name__}"
            hint = " An Account SID is not accepted here." if text.startswith("IR") else ""
            raise ConfigurationError(
                f"advertiser_id={shorten(self.redact(text))!r} is not a brand's numeric account id, such as 2747168: "
                f"copy it from the list of the agency's brands.{hint}"
            )
        return evolve(self, kind=BRAND, advertiser=advertiser_id.strip())

    def redact(self, text: str) -> str:
        """Return `redact(text)` without the credentials, in case a gateway returns the request's headers."""
        token = self.token.reveal()
        basic = base64.b64encode(f"{self.sid}:{token}".encode()).decode()
        for credentials in (basic, json.dumps(token)[1:-1], repr(token)[1:-1], token):
            text = text.replace(credentials, "***")
        return redact(text)

    def covers(self, url: str) -> bool:
        """Return whether `url` lies below `base_url`, so that the credentials may be sent to it."""
        return self.path_below(url) is not None

    def path_below(self, url: str) -> list[str] | None:
        """Return the segments of the path of `url` below that of `base_url`; None if it does not lie there.

        Raise ValueError if it is not a URL.
        """
        parts, base = urlsplit(url), urlsplit(self.base_url)
        segments, own = _segments(parts.path), _segments(base.path)
        is_below = "@" not in parts.netloc and _origin(parts) == _origin(base) and segments[: len(own)] == own
        return segments[len(own) :] if is_below else None

    def resolve(self, reference: str, asked: str) -> str:
        """Return the URL that `reference` names in the answer of the URL `asked`; raise ValueError if it is not a URL.

        A gateway may strip the path of `base_url` from its requests: what the server calls a path from its root then
        lies below that path.
        """
        own = urlsplit(self.base_url).path
        if reference.startswith("/") and not reference.startswith("//") and self.covers(asked):
            steps = _segments(own)
            if _segments(urlsplit(reference).path)[: len(steps)] != steps:
                reference = own + reference
        return urljoin(asked, reference)

    def job_id_in_answer(self, uri: object) -> str:
        """Return the id of the job that a URI in a response names, as `job_id` does.

        By passthrough, the server may name the job as the brand's own account does, whose SID is not known here.
        """
        text = uri.strip() if isinstance(uri, str) else ""
        if self.advertiser is not None and f"{AGENCY.collection}/" not in text:
            text = re.sub(rf"(^|/){BRAND.collection}/[^/]+(?=/Jobs/)", self.path, text, count=1)
        return self.job_id(text)

    def job_id(self, reference: JobReference) -> str:
        """Return the id of the job that `reference` names; refuse a job of another host, account or scope."""
        name = reference.id if isinstance(reference, Job | GeneratedJob) else reference
        if isinstance(name, UUID):
            return str(name)
        if isinstance(name, str):
            text = name.strip()
            return text if is_job_id(text) else self._job_id_of_uri(text)
        raise ConfigurationError(
            f"a {type(reference).__name__} does not name a job: give its id, a Job, or a job's path or URL."
        )

    def _job_id_of_uri(self, text: str) -> str:
        shown = shorten(self.redact(text))
        parts = _split(text, shown)
        if parts.netloc and _origin(parts) != _origin(urlsplit(self.base_url)):
            raise ConfigurationError(f"{shown!r} is not on {self.base_url}: use a client whose base_url has that host.")
        match = _JOB_PATH.fullmatch(parts.path)
        if match is None or not is_job_id(match["job"]) or (match["advertiser"] and match["collection"] != "Agencies"):
            raise ConfigurationError(
                f"{shown!r} does not name a job: give a UUID or a path such as "
                f"'{self.path}/Jobs/<UUID>' (with or without /Download or /Replay)."
            )
        if match["prefix"] and match["prefix"] != urlsplit(self.base_url).path:
            raise ConfigurationError(
                f"{shown!r} is not below {self.base_url}: use a client with the base_url of that job."
            )
        if f"/{match['scope']}" != self.path:
            raise ConfigurationError(
                f"{shown!r} is a job of /{shorten(match['scope'])}, but this client is for {self.path}: "
                f"use {self._client_for(match)}."
            )
        return match["job"]

    def _client_for(self, match: re.Match[str]) -> str:
        """Return, as code, the client that takes the job reference of another scope."""
        collection, sid, advertiser = match["collection"], match["sid"], match["advertiser"]
        call = "" if advertiser is None else f".for_advertiser({shorten(advertiser)})"
        if self.path.split("/")[1:3] != [collection, sid]:
            return f"JobsClient('{shorten(sid)}', …, account='{kind_of_collection(collection).name}'){call}"
        return f"jobs{call}" if self.advertiser is None else f"the agency's own client{call and ', and its '}{call[1:]}"


def is_job_id(text: str) -> bool:
    """Return whether `text` is a UUID with its hyphens."""
    return _UUID.fullmatch(text) is not None


def setting(name: str, value: str | None, *, default: str | None = None) -> str:
    """Return `value`, or the environment variable `name`, or `default`; raise if all are missing."""
    found = value if value is not None else os.environ.get(name) or default
    if not found:
        raise ConfigurationError(f"{name} is not set: export it, or pass the value to the client.")
    return found


def kind_setting(kind: AccountKindName | None) -> AccountKindName:
    """Return `kind`, or the one that the environment names, or that of an agency; raise if it is not a kind."""
    if kind is not None:
        return account_kind(kind).name
    return account_kind(os.environ.get("IMPACT_ACCOUNT_KIND") or AGENCY.name, "IMPACT_ACCOUNT_KIND").name


def is_loopback(host: str | None) -> bool:
    """Return whether `host` is `localhost` or a loopback address. Names are not looked up."""
    address = _address(host)
    return (host or "").rstrip(".") == "localhost" or (address is not None and address.is_loopback)


def is_internal(host: str | None) -> bool:
    """Return whether `host` is `localhost` or a loopback, link-local or private address."""
    address = _address(host)
    return is_loopback(host) or (address is not None and not address.is_global)


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host or "")
    with suppress(OSError, ValueError):  # "127.1", "0x7f.1" and "2130706433", which resolvers still accept as addresses
        return ipaddress.IPv4Address(socket.inet_aton(host or ""))
    return None


def _check_token(token: Secret) -> None:
    # The token is never in a variable, because tracebacks may show variables.
    if not isinstance(token.reveal(), str) or not token.reveal():
        raise ConfigurationError("auth_token is missing: copy it from the API settings page.")
    if _SPACE_OR_CONTROL.search(token.reveal()):
        raise ConfigurationError("auth_token has white space or control characters: copy it again, without them.")


def _check_base_url(url: Secret) -> str:
    if "@" in url.reveal():
        raise ConfigurationError("base_url contains credentials: pass account_sid and auth_token instead.")
    parts = _split(url.reveal(), str(url))
    # The text itself is checked as well, because urlsplit drops line ends and an empty query.
    is_plain = not _SPACE_OR_CONTROL.search(url.reveal()) and not {"?", "#"} & set(url.reveal())
    if not parts.hostname or not is_plain or parts.scheme not in {"https", "http"}:
        raise ConfigurationError(f"base_url='{url}' is not valid: give a URL such as {DEFAULT_BASE_URL!r}.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(f"base_url='{url}' would send the token in clear text: use https.")
    return url.reveal().rstrip("/")


def _segments(path: str) -> list[str]:
    """Return the segments of a path as a lenient server may read it, with encoded dots and slashes resolved."""
    for _ in range(_MAX_DECODINGS):
        path = unquote(path)
    found: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        name = segment.partition(";")[0]
        if name == "..":
            del found[-1:]
        elif name not in {"", "."}:
            found.append(name)
    return found


def _split(url: str, shown: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # urlsplit does not check it
    except ValueError:  # its message repeats the host part, with any credentials
        raise ConfigurationError(f"{shown!r} is not a URL: check its host and port.") from None
    return parts


def _origin(parts: SplitResult) -> tuple[Any, ...]:
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
