"""Any store with an S3 interface, accessed with signed links only."""

from __future__ import annotations

from attrs import frozen

from tests.interop.stores.sigv4 import Keys, signed
from tests.interop.stores.store import Item, ask


@frozen(kw_only=True)
class S3Store:
    """A bucket of a store with an S3 interface on loopback."""

    port: int
    keys: Keys
    bucket: str = "results"

    def make_bucket(self) -> None:
        ask("PUT", signed("PUT", self.port, f"/{self.bucket}", self.keys, seconds=600))

    def put(self, item: Item) -> None:
        ask("PUT", self._signed("PUT", item.key), headers=item.headers(), body=item.body)

    def delete(self, key: str) -> None:
        ask("DELETE", self._signed("DELETE", key))

    def link(self, key: str, *, seconds: int = 600, port: int | None = None) -> str:
        return self._signed("GET", key, seconds=seconds, port=port)

    def _signed(self, method: str, key: str, *, seconds: int = 600, port: int | None = None) -> str:
        return signed(method, port or self.port, f"/{self.bucket}/{key}", self.keys, seconds=seconds)
