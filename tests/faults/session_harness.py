"""The parts of a whole-session campaign that outlive a session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from attrs import define, field

from tests.faults.actors import LagMonitor
from tests.faults.exchange_proxy import ExchangeProxy


@define
class SessionHarness:
    """Two proxies, an event loop and a lag monitor, shared by all sessions of a campaign."""

    server_tls: ssl.SSLContext
    client_tls: ssl.SSLContext
    folder: Path
    numbers: Iterator[int] = field(factory=lambda: count(1))
    stack: ExitStack = field(factory=ExitStack)
    api: ExchangeProxy = field(init=False)
    storage: ExchangeProxy = field(init=False)
    runner: asyncio.Runner = field(init=False)
    lag_monitor: LagMonitor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.lag_monitor = self.stack.enter_context(LagMonitor())
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.runner.get_loop()
        # Each session sets the origins to its own sandbox.
        self.api = self.stack.enter_context(ExchangeProxy("", self.server_tls))
        self.storage = self.stack.enter_context(ExchangeProxy("", self.server_tls))

    def drop(self) -> None:
        """Cut all connections."""
        self.api.drop()
        self.storage.drop()
