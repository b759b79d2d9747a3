"""Azure's Blob service, with shared access signatures as links."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from attrs import frozen

from tests.interop.stores.store import Item, ask

ACCOUNT: Final = "results"
KEY: Final = base64.b64encode(b"a key for the account of a test.").decode()
_VERSION: Final = "2021-12-02"
_CONTAINER: Final = "results"


@frozen(kw_only=True)
class AzureStore:
    """A container of a Blob service on loopback."""

    port: int

    def make_container(self) -> None:
        self._ask("PUT", "", query="restype=container")

    def put(self, item: Item) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", **item.headers("x-ms-blob-")}
        self._ask("PUT", item.key, headers=headers, body=item.body)

    def state_md5(self, key: str, body: bytes) -> None:
        """Set the Content-MD5 of an object; the service does not verify it."""
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        self._ask("PUT", key, query="comp=properties", headers={"x-ms-blob-content-md5": digest})

    def delete(self, key: str) -> None:
        self._ask("DELETE", key)

    def link(self, key: str, *, seconds: int = 600, port: int | None = None) -> str:
        end = _time(seconds)
        resource = f"/blob/{ACCOUNT}/{_CONTAINER}/{key}"
        # Permissions, start, end, resource, stored policy, address, protocol, version, kind, and eight unused.
        to_sign = "\n".join(["r", "", end, resource, "", "", "", _VERSION, "b", *[""] * 7])
        query = urlencode({"sv": _VERSION, "sr": "b", "sp": "r", "se": end, "sig": _signature(to_sign)})
        return f"http://127.0.0.1:{port or self.port}{_path(key)}?{query}"

    def _ask(
        self, method: str, key: str, *, query: str = "", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Make a request with a signature for the whole account."""
        end = _time(600)
        fields = {"sv": _VERSION, "ss": "b", "srt": "sco", "sp": "rwdlac", "se": end}
        # Account, permissions, services, kinds, start, end, address, protocol, version, and two empty ones.
        to_sign = f"{ACCOUNT}\nrwdlac\nb\nsco\n\n{end}\n\n\n{_VERSION}\n\n"
        signed = urlencode(fields | {"sig": _signature(to_sign)})
        url = f"http://127.0.0.1:{self.port}{_path(key)}?{query}&{signed}"
        ask(method, url, headers={"x-ms-version": _VERSION, **(headers or {})}, body=body)


def _path(key: str) -> str:
    return f"/{ACCOUNT}/{_CONTAINER}" + (f"/{quote(key)}" if key else "")


def _time(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signature(to_sign: str) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(KEY), to_sign.encode(), "sha256")).decode()
