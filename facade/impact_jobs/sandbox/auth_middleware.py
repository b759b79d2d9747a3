"""The way in to the API: credentials, the hour's budget, and which account a path speaks of."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from attrs import frozen
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impact_jobs.sandbox.answers import RefusedError, wants_json
from impact_jobs.sandbox.state import World

_ACCOUNT: Final = re.compile(r"(?P<prefix>/Agencies/(?P<sid>[^/]*)(?:/Advertisers/[^/]+)?)(?P<rest>/.*)")


@frozen(kw_only=True)
class Asked:
    """What the gate found out about a request.

    Args:
        as_json: The answer is to be JSON rather than XML.
        prefix: The path up to the account or brand, percent-encoded, for relative URIs.
        path: The full path, percent-encoded.
        may_write: The token is not the read-only one.
    """

    as_json: bool
    prefix: str
    path: str
    may_write: bool


class Gate:
    """Lets in who may come in, counts them, and takes the account off the path before the routes see it.

    Args:
        app: The routes.
        world: What the origins share.
    """

    def __init__(self, app: ASGIApp, *, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        as_json = scope["path"].endswith(".json") or wants_json(headers.get("accept", ""))
        limits: dict[str, str] = {}
        try:
            token = self._token(headers)
            limits = self._world.budget.spend()
            _require_budget(limits)
            inner = self._inside(scope, as_json=as_json, token=token)
        except RefusedError as refused:
            await refused.answer(as_json=as_json)(scope, receive, _adding(limits, send))
        else:
            await self._app(inner, receive, _adding(limits, send))

    def _token(self, headers: Headers) -> str:
        token = self._world.credentials.token_of(headers.get("authorization", ""))
        if token is None:
            challenge = {"WWW-Authenticate": 'Basic realm="impact.com sandbox"'}
            message = "Unauthorized. Check that your Account SID and Auth Token are correct."
            raise RefusedError(HTTPStatus.UNAUTHORIZED, message, headers=challenge)
        return token

    def _inside(self, scope: Scope, *, as_json: bool, token: str) -> Scope:
        path = scope["raw_path"].decode("ascii")  # as sent: a %2F belongs to its segment
        found = _ACCOUNT.fullmatch(path.removesuffix(".json"))
        if found is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "The requested resource was not found.")
        if unquote(found["sid"]) != self._world.credentials.account_sid:
            message = "These credentials have no permission to access the account in the path."
            raise RefusedError(HTTPStatus.FORBIDDEN, message)
        asked = Asked(
            as_json=as_json,
            prefix=found["prefix"],
            path=path,
            may_write=token == self._world.credentials.auth_token,
        )
        return {**scope, "path": unquote(found["rest"]), "root_path": "", "sandbox.asked": asked}


def _require_budget(limits: dict[str, str]) -> None:
    if "Retry-After" in limits:
        raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "Rate limit exceeded. Try again later.")


def _adding(headers: dict[str, str], send: Send) -> Send:
    extra = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return adding
