"""Which redirects of the API and the storage are safe to follow; no I/O."""

from __future__ import annotations

from urllib.parse import urlsplit

from impact_jobs._account import Account, is_internal, is_loopback
from impact_jobs._redaction import Secret, secret_url
from impact_jobs.errors import DownloadError


def storage_url(location: Secret | None, *, asked: Secret, account: Account, what: str) -> Secret:
    """Return the URL that a redirect of the URL `asked` leads to, if it is safe to request.

    Raise DownloadError if the location is missing, is not https, carries credentials, or leads from a public API to
    this machine or its network. An API on this machine may redirect to this machine, and without TLS.
    """
    if location is None or not location.reveal().strip():
        raise DownloadError(f"{what}: a redirect without Location. Check base_url and any proxy between.")
    url = location
    try:
        url = secret_url(account.resolve(location.reveal().strip(), asked.reveal()))
        problem = _problem(url, urlsplit(account.base_url).hostname)
    except ValueError:
        problem = "it is not a URL"
    if problem:
        raise DownloadError(
            f"{what}: the redirect to {location} was not followed: {problem}. Check base_url and any proxy between."
        )
    return url


def _problem(url: Secret, api_host: str | None) -> str:
    parts = urlsplit(url.reveal())
    host, _ = parts.hostname, parts.port  # the port, because an invalid one raises ValueError
    if not host:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it carries credentials"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host) and is_loopback(api_host)):
        return "only https is safe"
    if is_internal(host) and not is_internal(api_host):
        return "it leads from a public API into a private network"
    return ""
