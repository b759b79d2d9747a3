"""How many requests a client, or one call of it, has sent to the API."""

from __future__ import annotations

from threading import Lock

from attrs import define, field


@define(eq=False)
class RequestCount:
    """A count of requests. Thread-safe."""

    total: int = 0
    _lock: Lock = field(factory=Lock, init=False)

    def on_request(self) -> None:
        """Count a request that is about to be sent."""
        with self._lock:
            self.total += 1
