"""Authentication, the hourly budget and the account of a path, before a request reaches the API's routes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from attrs import frozen
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impact_jobs.sandbox._account_rules import AccountRules
from impact_jobs.sandbox._responses import HttpError, accepts_json
from impact_jobs.sandbox._state import SandboxState

_ACCOUNT: Final = re.compile(
    r"(?P<prefix>/(?P<collection>Agencies|Advertisers|Mediapartners)/(?P<sid>[^/]*)"
    r"(?:/Advertisers/(?P<advertiser>[^/]+))?)(?P<rest>/.*)"
)


@frozen(kw_only=True)
class ApiRequest:
    """An authenticated request to the API. Both paths are percent-encoded; relative URIs begin with the `prefix`.

    The rules are those of the account in the path, or of the brand of an agency.
    """

    rules: AccountRules
    advertiser: int | None
    as_json: bool
    prefix: str
    path: str
    may_write: bool

    @property
    def suffix(self) -> str:
        """What the URIs of the answer end in, because they end like the request."""
        return ".json" if self.path.endswith(".json") else ""


class AuthMiddleware:
    """Authenticates and counts requests, and removes the account from their path."""

    def __init__(self, app: ASGIApp, *, state: SandboxState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        headers = Headers(scope=scope)
        as_json = scope["path"].endswith(".json") or accepts_json(headers.get("accept", ""))
        budget_headers: dict[str, str] = {}
        try:
            token = self._authenticate(headers)
            budget_headers = self._state.budget.spend()
            _require_budget(budget_headers)
            inner_scope = self._below_account(scope, as_json=as_json, token=token)
        except HttpError as error:
            await error.to_response(as_json=as_json)(scope, receive, _adding(budget_headers, send))
        else:
            await self._app(inner_scope, receive, _adding(budget_headers, send))

    def _authenticate(self, headers: Headers) -> str:
        """Return the token of the request."""
        token = self._state.credentials.token_of(headers.get("authorization", ""))
        if token is None:
            challenge = {"WWW-Authenticate": 'Basic realm="impact.com sandbox"'}
            message = "Unauthorized. Check that your Account SID and Auth Token are correct."
            raise HttpError(HTTPStatus.UNAUTHORIZED, message, headers=challenge)
        return token

    def _below_account(self, scope: Scope, *, as_json: bool, token: str) -> Scope:
        """Return a scope for the routes, whose paths begin after the account."""
        path = scope["raw_path"].decode("ascii")  # still encoded, because a %2F belongs to its segment
        found = _ACCOUNT.fullmatch(path.removesuffix(".json"))
        if found is None:
            raise HttpError(HTTPStatus.NOT_FOUND, "The requested resource was not found.")
        rules = self._state.rules()
        if found["collection"] != rules.collection or unquote(found["sid"]) != self._state.credentials.account_sid:
            message = "These credentials have no permission to access the account in the path."
            raise HttpError(HTTPStatus.FORBIDDEN, message)
        versions = {rules.api_version}
        advertiser = self._advertiser(found["advertiser"])
        if advertiser is not None:
            rules = self._state.rules(advertiser)
            versions.add(rules.api_version)
        _require_version(Headers(scope=scope).get("ir-version"), versions)
        api_request = ApiRequest(
            rules=rules,
            advertiser=advertiser,
            as_json=as_json,
            prefix=found["prefix"],
            path=path,
            may_write=token == self._state.credentials.auth_token,
        )
        return {**scope, "path": unquote(found["rest"]), "root_path": "", "sandbox.api_request": api_request}

    def _advertiser(self, text: str | None) -> int | None:
        """Return the brand of an agency that a path names."""
        if text is None:
            return None
        if self._state.settings.account != "agency":
            raise HttpError(HTTPStatus.NOT_FOUND, "The requested resource was not found.")
        known = {str(each): each for each in self._state.settings.advertisers}
        if text not in known:
            raise HttpError(HTTPStatus.FORBIDDEN, f"This agency has no permission to access the advertiser {text}.")
        return known[text]


def _require_version(stated: str | None, versions: set[str]) -> None:
    """Refuse a version of another kind of account; without one, the account's own version applies."""
    if stated is not None and stated not in versions:
        expected = " or ".join(sorted(versions))
        raise HttpError(HTTPStatus.BAD_REQUEST, "Validation Failed", errors=[("IR-Version", f"Expected {expected}")])


def _require_budget(budget_headers: dict[str, str]) -> None:
    if "Retry-After" in budget_headers:
        raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, "Rate limit exceeded. Try again later.")


def _adding(headers: dict[str, str], send: Send) -> Send:
    """Return a ``send`` that adds headers to the response."""
    extra = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return adding
