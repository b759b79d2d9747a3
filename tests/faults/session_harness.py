"""What outlasts a whole session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from attrs import define, field

from tests.faults.actors import Canary
from tests.faults.exchanges import ExchangeProxy


@define
class WholeStage:
    """What outlasts a session: the proxies, an event loop, and what is known of the machine."""

    server_tls: ssl.SSLContext
    client_tls: ssl.SSLContext
    folder: Path
    numbers: Iterator[int] = field(factory=lambda: count(1))
    stack: ExitStack = field(factory=ExitStack)
    api: ExchangeProxy = field(init=False)
    storage: ExchangeProxy = field(init=False)
    runner: asyncio.Runner = field(init=False)
    canary: Canary = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.canary = self.stack.enter_context(Canary())
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.runner.get_loop()
        # What nobody listens at; the true origin comes with each session.
        self.api = self.stack.enter_context(ExchangeProxy("", self.server_tls))
        self.storage = self.stack.enter_context(ExchangeProxy("", self.server_tls))

    def drop(self) -> None:
        """Cut all connections."""
        self.api.drop()
        self.storage.drop()
