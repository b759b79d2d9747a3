"""Which proxies the environment names, and which of its entries cannot be used.

httpx reads the same variables, but refuses to create a client if a single entry cannot be parsed.
"""

from __future__ import annotations

import ipaddress
import logging
import urllib.request
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final, TypeAlias

import httpx

from impact_jobs._redaction import shorten

logger: logging.Logger = logging.getLogger("impact_jobs")

Proxies: TypeAlias = Mapping[str, httpx.Proxy | None]
"""A proxy, or None for a direct connection, by a pattern of httpx's `mounts`."""

# Plain http is allowed to this machine only. A proxy on the way could read token and links.
_DIRECT_HTTP: Final[Proxies] = {"http://": None}
_MAX_PORT: Final = 65535


def proxies_from_environment(url: str) -> Proxies:
    """Read HTTPS_PROXY, ALL_PROXY and NO_PROXY as httpx does, for requests to `url`.

    An entry that cannot be used is skipped, with a warning.
    """
    variables = urllib.request.getproxies()
    exempted = [entry.strip() for entry in variables.get("no", "").split(",")]
    if "*" in exempted:
        return _DIRECT_HTTP
    proxies: dict[str, httpx.Proxy | None] = {}
    for scheme in ("http", "https", "all"):
        if entry := variables.get(scheme):
            try:
                proxies[f"{scheme}://"] = _read_proxy(entry, url)
            except (ValueError, httpx.InvalidURL):
                _warn(f"{scheme.upper()}_PROXY", entry, "requests do not go through it")
    for entry in filter(None, exempted):
        try:
            pattern = _pattern(entry)
            httpx.URL(pattern)
        except (ValueError, httpx.InvalidURL):
            _warn("NO_PROXY", entry, "it exempts no host from the proxy")
        else:
            proxies[pattern] = None
    return {**proxies, **_DIRECT_HTTP}


def _read_proxy(entry: str, url: str) -> httpx.Proxy:
    """Return the proxy that `entry` names; raise ValueError or httpx.InvalidURL if it names none."""
    proxy = httpx.Proxy(entry if "://" in entry else f"http://{entry}")
    host, port = proxy.url.host, proxy.url.port
    # httpx escapes characters that no host name has, and only the connection would fail.
    if not host or ("%" in host and ":" not in host) or not 0 < (port or 1) <= _MAX_PORT:
        raise ValueError("not a proxy")
    # The API on this machine, such as a sandbox, is reached without a proxy. Elsewhere, a missing package is an error.
    if proxy.url.scheme.startswith("socks") and url.startswith("http:") and not find_spec("socksio"):
        raise ValueError("a SOCKS proxy needs the package socksio")
    return proxy


def _pattern(entry: str) -> str:
    """Return httpx's pattern for an entry of NO_PROXY: a URL, an address, or a domain with all hosts below it."""
    if "://" in entry:
        return entry
    try:
        version = ipaddress.ip_address(entry.partition("/")[0]).version
    except ValueError:
        # httpx does not match any host with the form "*.example.com".
        return f"all://{entry}" if entry.lower() == "localhost" else f"all://*{entry.removeprefix('*')}"
    return f"all://[{entry}]" if version == 6 else f"all://{entry}"  # noqa: PLR2004 - of the Internet Protocol


def _warn(variable: str, entry: str, effect: str) -> None:
    _, at, rest = entry.rpartition("@")  # before it, a password
    logger.warning("%s: %r cannot be used, so %s: correct it", variable, shorten(f"{at and '***@'}{rest}"), effect)
