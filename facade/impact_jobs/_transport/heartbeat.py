"""A request to a monitor that expects one after each run. Its URL is a secret: its path is what the monitor trusts."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from impact_jobs import __version__
from impact_jobs._account import is_loopback
from impact_jobs._redaction import Secret, redact, redact_http_logs
from impact_jobs._transport import clock
from impact_jobs._transport.blocking import create_client
from impact_jobs._transport.deadline import CONNECTION_EVENTS, TimeLeft, deadline_scope, enforce_deadline
from impact_jobs._transport.httpx_common import FAILURES, create_or_explain
from impact_jobs._transport.proxies import proxies_from_environment
from impact_jobs.errors import ConfigurationError, TransportError

_SECONDS: Final = 10.0  # for each try
_PAUSES: Final = (1.0, 5.0)  # before the second try and the third
_SPACE_OR_CONTROL: Final = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff]")
_TOO_MANY: Final = 429


def heartbeat_url(text: str) -> Secret:
    """Check the URL of a heartbeat.

    Args:
        text: An https URL without credentials; http is allowed to this machine only.

    Returns:
        The URL as a secret that shows its host alone.

    Raises:
        ConfigurationError: It is another URL, or none. The message does not repeat it.

    Example:
        >>> heartbeat_url("https://hc-ping.com/5f1c7f2e-0d3a-4f43-9c57-3c1b7f6a9b10")
        https://hc-ping.com/***
    """
    try:
        parts = urlsplit(text)
        _ = parts.port  # urlsplit does not check it
    except ValueError:
        raise ConfigurationError("the heartbeat's URL is not a URL: check its host and port.") from None
    if not parts.hostname or parts.scheme not in {"https", "http"} or _SPACE_OR_CONTROL.search(text):
        raise ConfigurationError("the heartbeat's URL is not a URL: write one such as https://hc-ping.com/UUID.")
    if "@" in parts.netloc:
        raise ConfigurationError("the heartbeat's URL contains a user name: use a URL whose path is its only secret.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(f"the heartbeat to {parts.netloc} would be sent in clear text: use https.")
    return Secret(text, shown=f"{parts.scheme}://{parts.netloc}/***")


def send_heartbeat(url: Secret) -> None:
    """Send a GET request, which a monitor such as Healthchecks expects after each good run.

    It is sent up to three times if there is no response, or one of 429 or 5xx. Redirects are not followed, because they
    could lead to a URL in clear text. Proxies are those of the environment.

    Args:
        url: What `heartbeat_url` has returned.

    Raises:
        TransportError: The monitor did not respond, or not with 2xx: check the URL. The message shows its host alone.

    Example:
        >>> send_heartbeat(heartbeat_url("https://hc-ping.com/5f1c7f2e-0d3a-4f43-9c57-3c1b7f6a9b10"))
    """
    proxies = proxies_from_environment(url.reveal())
    tls = create_or_explain(httpx.create_ssl_context)
    with create_or_explain(partial(create_client, proxies, tls)) as client:
        problem, may_pass = _try_once(client, url)
        for pause in _PAUSES:
            if not may_pass:
                break
            time.sleep(clock.left_to_sleep(pause))
            problem, may_pass = _try_once(client, url)
    if problem:
        raise TransportError(f"the heartbeat to {url} failed: {problem}. Check its URL and the network.")


def _try_once(client: httpx.Client, url: Secret) -> tuple[str, bool]:
    """Send the request; return why it failed, "" if it did not, and whether another try may succeed."""
    extensions = {"timeout": TimeLeft(_SECONDS), "trace": _on_event}
    try:
        # Muted, because even a URL without its query is a secret here.
        with redact_http_logs(muted=True), deadline_scope(time.monotonic() + _SECONDS):
            headers = {"User-Agent": f"impact-jobs/{__version__}"}
            request = client.build_request("GET", url.reveal(), headers=headers, extensions=extensions)
            response = client.send(request, stream=True, follow_redirects=False)
            response.close()
    except httpx.TimeoutException:
        return f"no response within {_SECONDS:g} s", True
    except FAILURES as error:
        # The text of a ValueError may hold the URL.
        is_of_network = isinstance(error, httpx.HTTPError)
        return (redact(str(error)).rstrip(".") or type(error).__name__) if is_of_network else "a malformed URL", True
    status = response.status_code
    return "" if response.is_success else f"HTTP {status}", status == _TOO_MANY or response.is_server_error


def _on_event(event: str, info: Mapping[str, Any]) -> None:
    _, _, name = event.partition(".")
    if name in CONNECTION_EVENTS:
        enforce_deadline(name, info)
