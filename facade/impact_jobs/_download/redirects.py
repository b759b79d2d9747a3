"""Which redirects of the API and the storage are safe to follow; no I/O."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from impact_jobs._account import is_internal, is_loopback
from impact_jobs._redaction import Secret, secret_url
from impact_jobs.errors import DownloadError


def storage_url(location: Secret | None, *, base: Secret, api_host: str | None, what: str) -> Secret:
    """Return the URL that a redirect leads to, if it is safe to request.

    Args:
        location: The `Location` field of the redirect.
        base: The URL that was redirected, for relative locations.
        api_host: The API's host. If it is this machine, it may redirect to this machine, and without TLS.
        what: The call, for messages.

    Raises:
        DownloadError: The location is missing, is not https, carries credentials, or leads from a public API to this
            machine or its network.
    """
    if location is None or not location.reveal().strip():
        raise DownloadError(f"{what}: a redirect without Location. Check base_url and any proxy between.")
    url = _joined(base, location)
    problem = "it is not a URL" if url is None else _problem(url, api_host)
    if url is None or problem:
        raise DownloadError(
            f"{what}: the redirect to {location} was not followed: {problem}. Check base_url and any proxy between."
        )
    return url


def _joined(base: Secret, location: Secret) -> Secret | None:
    try:
        return secret_url(urljoin(base.reveal(), location.reveal().strip()))
    except ValueError:
        return None


def _problem(url: Secret, api_host: str | None) -> str:
    try:
        parts = urlsplit(url.reveal())
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    if not host:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it carries credentials"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host) and is_loopback(api_host)):
        return "only https is safe"
    if is_internal(host) and not is_internal(api_host):
        return "it leads from a public API into a private network"
    return ""
