"""Read what an Airflow connection and the arguments of a task say. It imports nothing of Airflow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from attrs import field, frozen

from impact_jobs import AccountKindName, ConfigurationError, Polling
from impact_jobs.toolkit import DEFAULT_BASE_URL, account_kind

CONN_TYPE = "impact"

_PORT = re.compile(r":\d+$")
_POLLING_KEYS = frozenset({"minimum", "maximum"})


class Connection(Protocol):
    """The part of Airflow's two classes of that name which is used."""

    conn_type: str | None
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None
    extra: str | None


@frozen(kw_only=True)
class ConnectionSettings:
    """What a connection says: login is the Account SID, password the Auth Token, host the API's URL."""

    account_sid: str
    auth_token: str = field(repr=False)  # tracebacks may show variables
    base_url: str
    account: AccountKindName
    advertiser_id: str | None
    report_url: str | None

    @classmethod
    def read(cls, connection: Connection) -> ConnectionSettings:
        """Read a connection, whether it comes from the form, a URI or JSON.

        Raises:
            ConfigurationError: A field is missing or malformed. The message names it as Airflow does.
        """
        if connection.conn_type not in {CONN_TYPE, None, ""}:  # whose password is another service's
            raise ConfigurationError(f"its type is {connection.conn_type!r}, not {CONN_TYPE!r}: choose another one.")
        if not connection.login or not connection.password:
            missing = "password, the Auth Token" if connection.login else "login, the Account SID"
            raise ConfigurationError(f"its {missing}, is empty: copy it from impact.com's API settings page.")
        extra = _read_extra(connection.extra)
        return cls(
            account_sid=connection.login,
            auth_token=connection.password,
            base_url=_base_url(connection.host, schema=connection.schema, port=connection.port),
            account=account_kind(extra.get("account_kind") or "agency", "its extra account_kind").name,
            advertiser_id=optional_text(extra.get("advertiser_id")),
            report_url=optional_text(extra.get("report_url")),
        )

    def report_page(self, report_id: str) -> str | None:
        """Return the address of a report's page, or None if the connection has none.

        Raises:
            ConfigurationError: The address is not one of the web.
        """
        if self.report_url is None:
            return None
        parts = urlsplit(self.report_url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
            raise ConfigurationError(
                "its extra report_url is not a web address: give one such as "
                "'https://app.impact.com/reports/{report_id}', without credentials."
            )
        return self.report_url.replace("{report_id}", quote(report_id, safe=""))


def _read_extra(text: str | None) -> dict[str, Any]:
    # Not Connection.extra_dejson, because that sends a message to mask the values, which blocks in the triggerer.
    try:
        extra = json.loads(text or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError('its extra is not a JSON object, such as {"account_kind": "agency"}: correct it.')
    return extra


def _base_url(host: str | None, *, schema: str | None, port: int | None) -> str:
    """Return the API's URL. Airflow's URI form leaves scheme, host and port apart, and an IPv6 address bare."""
    if schema not in {"https", "http", None, ""}:
        raise ConfigurationError(f"its schema is {schema!r}: leave it empty, and give the whole API URL as the host.")
    own_scheme, _, rest = (host or "").strip().rpartition("://")
    if not rest:
        if port:
            raise ConfigurationError("it has a port, but no host: give the whole API URL as the host, or neither.")
        return DEFAULT_BASE_URL
    netloc, slash, path = rest.partition("/")
    if netloc.count(":") > 1 and "[" not in netloc:
        netloc = f"[{netloc}]"
    if port and not _PORT.search(netloc):
        netloc = f"{netloc}:{port}"
    return f"{own_scheme or schema or 'https'}://{netloc}{slash}{path}"


def optional_text(value: object) -> str | None:
    """Return a value of a form, JSON or template as text, or None if it is empty."""
    text = "" if value is None else str(value).strip()
    return text or None


def polling_of(values: Mapping[str, Any] | None) -> Polling | None:
    """Return the `Polling` of a task's argument, or None for the client's own.

    Args:
        values: `minimum` and `maximum`, the shortest and longest pause in seconds; each may be missing, or text that a
            template has rendered.

    Raises:
        ConfigurationError: A key or value is wrong.
    """
    if values is None:
        return None
    if not isinstance(values, Mapping) or not _POLLING_KEYS.issuperset(values):
        raise ConfigurationError(
            f"polling={values!r} is not valid: give a dict such as {{'minimum': 5, 'maximum': 120}}, in seconds."
        )
    default = Polling()
    try:
        minimum, maximum = (float(values.get(name, getattr(default, name))) for name in ("minimum", "maximum"))
    except (TypeError, ValueError):
        raise ConfigurationError(f"polling={dict(values)!r} is not valid: its values are seconds.") from None
    return Polling(minimum=minimum, maximum=maximum)
