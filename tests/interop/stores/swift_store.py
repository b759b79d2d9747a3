"""OpenStack Swift with its own interface and tempurls as links."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Final
from urllib.parse import quote, urlencode

from attrs import field, frozen

from tests.interop.stores.store import Item, ask

ACCOUNT: Final = "test"
USER: Final = "tester"
PASSWORD: Final = "testing"
_CONTAINER: Final = "results"
_LINK_KEY: Final = "key-of-the-links"


@frozen(kw_only=True)
class SwiftStore:
    """A container of a Swift with a single account in its tempauth middleware."""

    port: int
    _token: str = field(repr=False)

    @classmethod
    def logged_in(cls, port: int) -> SwiftStore:
        """Log in, and create the container and the key that signs links."""
        headers = {"X-Auth-User": f"{ACCOUNT}:{USER}", "X-Auth-Key": PASSWORD}
        answer = ask("GET", f"http://127.0.0.1:{port}/auth/v1.0", headers=headers)
        store = cls(port=port, token=answer.headers["X-Auth-Token"])
        store._ask("POST", _path(), {"X-Account-Meta-Temp-URL-Key": _LINK_KEY})
        store._ask("PUT", f"{_path()}/{_CONTAINER}")
        return store

    def put(self, item: Item) -> None:
        self._ask("PUT", _path(item.key), item.headers(), body=item.body)

    def state_sha256(self, key: str, body: bytes) -> None:
        """Store a checksum with an object, in the header of S3; Swift does not verify it."""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self._ask("POST", _path(key), {"Content-Type": "text/csv", "X-Amz-Checksum-Sha256": digest})

    def delete(self, key: str) -> None:
        self._ask("DELETE", _path(key))

    def link(self, key: str, *, seconds: int = 600, port: int | None = None) -> str:
        expires = int(time.time()) + seconds
        to_sign = f"GET\n{expires}\n{_path(key)}"
        signature = hmac.digest(_LINK_KEY.encode(), to_sign.encode(), "sha256").hex()
        query = urlencode({"temp_url_sig": signature, "temp_url_expires": expires})
        return f"http://127.0.0.1:{port or self.port}{quote(_path(key))}?{query}"

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, *, body: bytes = b"") -> None:
        url = f"http://127.0.0.1:{self.port}{quote(path)}"
        ask(method, url, headers={"X-Auth-Token": self._token, **(headers or {})}, body=body)


def _path(key: str | None = None) -> str:
    account = f"/v1/AUTH_{ACCOUNT}"
    return account if key is None else f"{account}/{_CONTAINER}/{key}"
