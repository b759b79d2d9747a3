"""How the API words its answers: XML by default, JSON when asked, errors in either."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from impact_jobs.sandbox.jobs import Job

_NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class RefusedError(Exception):
    """A request that ends in an error answer, raised wherever that is found out.

    Args:
        status: The HTTP status.
        message: The envelope's ``Message``.
        errors: What is wrong with which field, as pairs of field and message.
        headers: Further headers of the answer.
    """

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

    def answer(self, *, as_json: bool) -> Response:
        """Word the refusal as an answer."""
        payload = error_payload(self.message, errors=self.errors)
        return render(payload, as_json=as_json, status=self.status, headers=self.headers)


def error_payload(message: str, *, errors: Sequence[tuple[str, str]] = ()) -> dict[str, object]:
    """Build the vendor's error envelope; ``Errors`` is there only when a field is to blame."""
    payload: dict[str, object] = {"Status": "ERROR", "Message": message}
    if errors:
        payload["Errors"] = [{"Field": field, "Message": why} for field, why in errors]
    return payload


def unknown_job() -> RefusedError:
    """A job that is not there, or an id that is none: the vendor has one answer for both."""
    return RefusedError(HTTPStatus.NOT_FOUND, "Job not found.")


def wants_json(accept: str) -> bool:
    """Whether an Accept header asks for JSON; a wildcard does not, and XML wins where it is preferred."""
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
    """Word a payload as an answer.

    Args:
        payload: JSON-like data. Keys that begin with ``@`` become attributes in XML.
        as_json: JSON rather than XML.
        name: The XML element around the payload; empty when the payload's own keys are the elements.
        status: The HTTP status.
        headers: Further headers.

    Returns:
        The complete answer.
    """
    if as_json:
        body, media_type = json.dumps(payload), "application/json"
    else:
        body, media_type = to_xml(payload, name=name), "application/xml"
    return Response(body, status_code=status, headers=dict(headers or {}), media_type=media_type)


def to_xml(payload: object, *, name: str = "") -> str:
    """Word a payload as an ``<ImpactRadiusResponse>`` document."""
    if name:
        inside = _element(name, payload)
    elif isinstance(payload, Mapping):
        inside = _children(payload)
    else:
        raise TypeError(f"{type(payload).__name__} needs a name to stand under the root")
    return f'<?xml version="1.0" encoding="UTF-8"?><ImpactRadiusResponse>{inside}</ImpactRadiusResponse>'


def _children(payload: Mapping[str, object]) -> str:
    # A page's numbers are members of the JSON object, but attributes of the list's element in XML.
    attributes = {key[1:]: value for key, value in payload.items() if key.startswith("@")}
    return "".join(
        _element(key, value, attributes=attributes if isinstance(value, list) else {})
        for key, value in payload.items()
        if not key.startswith("@")
    )


def _element(name: str, value: object, *, attributes: Mapping[str, object] | None = None) -> str:
    opening = name + "".join(f" {key}={quoteattr(_text(held))}" for key, held in (attributes or {}).items())
    if isinstance(value, Mapping):
        inside = _children(value)
    elif isinstance(value, list):
        inside = "".join(_element(name.removesuffix("s"), item) for item in value)
    else:
        inside = escape(_text(value))
    return f"<{opening}>{inside}</{name}>"


def _text(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _NOT_IN_XML.sub("", text)


def file_name(job: Job) -> str:
    """The name that a job's result file is offered under."""
    return f"report-{job.id[:8]}.csv"
