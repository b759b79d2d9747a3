"""A server that follows any description of the API: the sandbox behind a translation that is derived from both.

What the description lacks is gone: paths (404), methods (405), parameters (ignored), fields and headers. What it
demands is demanded: required parameters, listed values and formats (400), and credentials (401). What it adds is there:
fields with example values.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._api import create_app
from impact_jobs.sandbox._background_server import BackgroundServer, listen_on_both, url_of
from impact_jobs.sandbox._fault_middleware import FaultMiddleware
from impact_jobs.sandbox._responses import to_xml
from impact_jobs.sandbox._storage import Storage
from spec.documents import Place
from spec.facade.view import View
from spec.python_names import identifier
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.interop.compatibility.shaping import NO_UUID, Shaper, listed_values

Headers = dict[str, str]
_PLACEHOLDER = re.compile(r"\{[^}]*\}")
_FIRST_ERROR = 400


class RefusedError(Exception):
    """The server of the new description refuses a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Exchange:
    """A request, by the operation that answers it in each description."""

    now: Place  # in the new description
    was: Place  # in the old one, whose server answers
    segments: tuple[str, ...]  # the values of the placeholders in the path
    query: dict[str, str]
    headers: Headers


@dataclass(frozen=True)
class Translation:
    """An ASGI application around that of the old description."""

    app: ASGIApp
    old: View
    new: View
    basic: str  # the value of Authorization that the old server accepts
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        try:
            exchange = self._exchange(scope)
            messages: list[Message] = []

            async def collect(message: Message) -> None:
                messages.append(message)

            await self.app(self._old_request(scope, exchange), receive, collect)
            status, headers, body = self._response(exchange, *_joined(messages))
        except RefusedError as refused:
            payload = {"Status": "ERROR", "Message": str(refused)}
            status, headers, body = refused.status, {"content-type": "application/json"}, json.dumps(payload).encode()
        headers["content-length"] = str(len(body))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    # Requests

    def _exchange(self, scope: Scope) -> Exchange:
        now, segments = self._routed(scope["method"].lower(), scope["path"])
        was = counterpart(self.old, self.new, now)
        if was is None:
            raise RefusedError(404, "The sandbox has nothing behind this operation.")
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        self._check_credentials(now, headers)
        return Exchange(now, was, segments, self._parameters(now, was, query, headers), headers)

    def _routed(self, method: str, path: str) -> tuple[Place, tuple[str, ...]]:
        is_path_known = False
        for template in self.new.object(("paths",)):
            pattern = "([^/]+)".join(map(re.escape, _PLACEHOLDER.split(template)))
            if found := re.fullmatch(pattern, path):
                is_path_known = True
                if method in self.new.object(("paths", template)):
                    return ("paths", template, method), found.groups()
        raise RefusedError(405 if is_path_known else 404, f"There is no {method.upper()} {path}.")

    def _check_credentials(self, now: Place, headers: Headers) -> None:
        own = (*now, "security")
        required = own if self.new.at(own) is not None else ("security",)
        accepted = {"http basic": self.basic, "http bearer": f"Bearer {self.token}"}
        offers = [list(self.new.object(each)) for each in self.new.places(required)]
        if not all(offers) or not offers:
            return
        schemes = [self.new.object(("components", "securitySchemes", offer[0])) for offer in offers if len(offer) == 1]
        kinds = [f"{scheme.get('type')} {scheme.get('scheme')}".lower() for scheme in schemes]
        if headers.get("authorization") not in [accepted.get(kind) for kind in kinds]:
            raise RefusedError(401, "Unauthorized.")

    def _parameters(self, now: Place, was: Place, query: dict[str, str], headers: Headers) -> dict[str, str]:
        """Check the parameters that the new description has, and return the query of the old one."""
        old_places = parameters(self.old, was)
        found: dict[str, str] = {}
        for (location, name), place in parameters(self.new, now).items():
            sent = {"query": query.get(name), "header": headers.get(name.lower())}.get(location)
            if location in {"query", "header"} and sent is None:
                if self.new.object(place).get("required") is True:
                    raise RefusedError(400, f"{name} is missing.")
            elif sent is not None:
                self._check(name, sent, (*place, "schema"))
                if old := old_places.get(("query", name)):
                    found[name] = self._old_value(sent, (*old, "schema"), (*place, "schema"))
        return found

    def _check(self, name: str, sent: str, schema: Place) -> None:
        listed = listed_values(self.new, schema)
        if listed and sent not in listed:
            raise RefusedError(400, f"{name} is none of {', '.join(map(str, listed))}.")
        checks = {"date": _is_date, "date-time": _is_time}
        formats = [str(each) for each in self.new.formats(schema)]
        if formats and not any(checks.get(each, bool)(sent) for each in formats):
            raise RefusedError(400, f"{name} is not a {' or a '.join(formats)}.")

    def _old_value(self, sent: str, was: Place, now: Place) -> str:
        before, after = listed_values(self.old, was), listed_values(self.new, now)
        if before and sent not in before and sent in after:
            return str(before[min(after.index(sent), len(before) - 1)])
        return sent

    def _old_request(self, scope: Scope, exchange: Exchange) -> Scope:
        values = iter(segment.removeprefix(NO_UUID) for segment in exchange.segments)
        path = _PLACEHOLDER.sub(lambda _: next(values), str(exchange.was[1]))
        headers = exchange.headers | {"authorization": self.basic, "accept": "application/json"}
        return {
            **scope,
            "method": str(exchange.was[2]).upper(),
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(exchange.query).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

    # Responses

    def _response(self, exchange: Exchange, status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        was, now = self._answers(exchange, status)
        gone = self.old.object((*was, "headers")).keys() - self.new.object((*now, "headers")).keys()
        headers = {name: value for name, value in headers.items() if name not in map(str.lower, gone)}
        old_type, new_type = (
            next(iter(view.object((*at, "content"))), "") for view, at in ((self.old, was), (self.new, now))
        )
        if "json" in old_type and int(now[-1]) < _FIRST_ERROR:
            shaper = Shaper(self.old, self.new)
            value = shaper.shaped(
                json.loads(body), (*was, "content", old_type, "schema"), (*now, "content", new_type, "schema")
            )
            is_xml = "xml" in new_type
            name = "Jobs" if isinstance(value, list) else "Job"
            body = to_xml(value, name=name).encode() if is_xml else json.dumps(value).encode()
        if new_type and int(now[-1]) < _FIRST_ERROR:
            headers["content-type"] = new_type
        return int(now[-1]), headers, body

    def _answers(self, exchange: Exchange, status: int) -> tuple[Place, Place]:
        """Return the places of an answer in both descriptions; the new server has only documented ones."""
        was, now = (*exchange.was, "responses", str(status)), (*exchange.now, "responses")
        documented = self.new.object(now)
        if str(status) in documented or str(status) not in self.old.object(was[:-1]):
            return was, (*now, str(status))
        if status >= _FIRST_ERROR:
            return was, (*now, "400")
        for other in documented:
            schemas = (_schema(self.old, was), _schema(self.new, (*now, other)))
            if other.startswith("2") and schemas[0] == schemas[1]:
                return was, (*now, other)
        raise RefusedError(404, "There is no such resource now.")


def counterpart(old: View, new: View, now: Place) -> Place | None:
    """Return the place in the old description of an operation: by its name, or else by its method and path."""
    places: list[Place] = [
        ("paths", path, method) for path in old.object(("paths",)) for method in old.object(("paths", path))
    ]
    name = identifier(str(new.object(now).get("operationId")))
    named = [place for place in places if identifier(str(old.object(place).get("operationId"))) == name]
    routed = [place for place in places if _route(place) == _route(now)]
    return next(iter(named + routed), None)


def parameters(view: View, operation: Place) -> dict[tuple[str, str], Place]:
    """Return an operation's parameters by location and name, those of its path included."""
    entries = view.places((*operation[:-1], "parameters")) + view.places((*operation, "parameters"))
    found = [(view.object(place), place) for place in map(view.follow, entries)]
    return {(str(described.get("in")), str(described.get("name"))): place for described, place in found}


@contextmanager
def serving(sandbox: Sandbox, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Serve a sandbox, which follows the `old` description, as the `new` one says; give the API's URL."""
    state = sandbox._state
    translation = Translation(
        create_app(state), View(old), View(new), basic=basic_of(sandbox), token=sandbox.auth_token
    )
    api_socket, storage_socket = listen_on_both(0, 0)
    state.base_url, state.storage_url = url_of(api_socket), url_of(storage_socket)
    apps = [
        (api_socket, FaultMiddleware(translation, origin="api", state=state)),
        (storage_socket, FaultMiddleware(Storage(state), origin="storage", state=state)),
    ]
    server = BackgroundServer(apps, clock=state.clock)
    server.start()
    try:
        yield state.base_url
    finally:
        server.stop()


def basic_of(sandbox: Sandbox) -> str:
    """Return the value of Authorization that a sandbox accepts."""
    pair = f"{sandbox.account_sid}:{sandbox.auth_token}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _joined(messages: list[Message]) -> tuple[int, Headers, bytes]:
    start = messages[0]
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(message.get("body", b"") for message in messages[1:])


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT.+", text) is not None


def _route(place: Place) -> tuple[str, str]:
    return str(place[2]), _PLACEHOLDER.sub("{}", str(place[1]))


def _media_type(view: View, response: Place) -> str:
    return next(iter(view.object((*response, "content"))), "")


def _schema(view: View, response: Place) -> Any:
    content = view.object((*response, "content"))
    return next((media.get("schema") for media in content.values() if isinstance(media, dict)), None)
