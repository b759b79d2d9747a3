"""An emulator of Google Cloud Storage; it states hashes as Google does, but does not verify signed links."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import frozen

from tests.interop.processes import HOST
from tests.interop.stores.store import Item, ask

BUCKET: Final = "results"


@frozen(kw_only=True)
class GoogleStore:
    """A bucket of the emulator, which keeps its objects in a folder."""

    port: int
    folder: Path

    def put(self, item: Item) -> None:
        ask("PUT", self.link(item.key), headers=item.headers(), body=item.body)

    def rot(self, key: str, body: bytes) -> None:
        """Change an object on disk without the store's knowledge, as a failing disk does."""
        found = self.folder / ".cloudstorage" / BUCKET / key
        assert found.is_file()
        found.write_bytes(body)

    def link(self, key: str, *, port: int | None = None) -> str:
        return f"http://{HOST}:{port or self.port}/{BUCKET}/{key}"
