"""Responses of the API: XML by default, JSON on request, errors in either format."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

_NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class HttpError(Exception):
    """Ends a request with an error response; `errors` are pairs of a field and what is wrong with it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers: dict[str, str] = dict(headers or {})

    def to_response(self, *, as_json: bool) -> Response:
        """Build the error response."""
        payload = error_payload(self.message, errors=self.errors)
        return render(payload, as_json=as_json, status=self.status, headers=self.headers)


def error_payload(message: str, *, errors: Sequence[tuple[str, str]] = ()) -> dict[str, object]:
    """Build the vendor's error envelope, with ``Errors`` if fields are invalid."""
    payload: dict[str, object] = {"Status": "ERROR", "Message": message}
    if errors:
        payload["Errors"] = [{"Field": field, "Message": reason} for field, reason in errors]
    return payload


def job_not_found() -> HttpError:
    """Build the error for an unknown job id; the API returns the same one for a malformed id."""
    return HttpError(HTTPStatus.NOT_FOUND, "Job not found.")


def accepts_json(accept: str) -> bool:
    """Return whether an Accept header prefers JSON to XML; a wildcard does not."""
    json_weight, xml_weight = 0.0, 0.0
    for part in accept.split(","):
        media_type, _, parameters = part.partition(";")
        match media_type.strip().lower():
            case "application/json":
                json_weight = max(json_weight, _weight(parameters))
            case "application/xml" | "text/xml":
                xml_weight = max(xml_weight, _weight(parameters))
    return json_weight > 0 and json_weight >= xml_weight


def _weight(parameters: str) -> float:
    found = re.search(r"(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", parameters)
    return float(found[1]) if found else 1.0


def render(
    payload: object,
    *,
    as_json: bool,
    name: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render a payload as JSON, or as XML in an element called `name`, if given.

    In XML, keys that begin with ``@`` become attributes.
    """
    if as_json:
        body, media_type = json.dumps(payload), "application/json"
    else:
        body, media_type = to_xml(payload, name=name), "application/xml"
    return Response(body, status_code=status, headers=dict(headers or {}), media_type=media_type)


def to_xml(payload: object, *, name: str = "") -> str:
    """Render a payload as an ``<ImpactRadiusResponse>`` document."""
    if name:
        inside = _element(name, payload)
    elif isinstance(payload, Mapping):
        inside = _children(payload)
    else:
        raise TypeError(f"{type(payload).__name__} needs an element name below the root")
    return f'<?xml version="1.0" encoding="UTF-8"?><ImpactRadiusResponse>{inside}</ImpactRadiusResponse>'


def _children(payload: Mapping[str, object]) -> str:
    # The page numbers are members of the object in JSON, but attributes of the list element in XML.
    attributes = {key[1:]: value for key, value in payload.items() if key.startswith("@")}
    return "".join(
        _element(key, value, attributes=attributes if isinstance(value, list) else {})
        for key, value in payload.items()
        if not key.startswith("@")
    )


def _element(name: str, value: object, *, attributes: Mapping[str, object] | None = None) -> str:
    start_tag = name + "".join(f" {key}={quoteattr(_text(held))}" for key, held in (attributes or {}).items())
    if isinstance(value, Mapping):
        inside = _children(value)
    elif isinstance(value, list):
        inside = "".join(_element(name.removesuffix("s"), item) for item in value)
    else:
        inside = escape(_text(value))
    return f"<{start_tag}>{inside}</{name}>"


def _text(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _NOT_IN_XML.sub("", text)
