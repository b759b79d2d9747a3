"""What all clients of one account in one process share."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from impact_jobs._account import Account

T = TypeVar("T")


class PerAccount(Generic[T]):
    """One thing an account, made when first asked for, and gone with the last client that holds it.

    Args:
        make: Makes it.
        kept: How many of them outlast their clients, for the account's next one.
    """

    def __init__(self, make: Callable[[], T], *, kept: int = 0) -> None:
        self._make = make
        self._kept: deque[T] = deque(maxlen=kept)
        self._by_process: dict[int, tuple[Lock, WeakValueDictionary[tuple[str, str], T]]] = {}

    def of(self, account: Account) -> T:
        """The account's: the server counts its requests, and shows its jobs, to all clients together."""
        # By process, for another thread may have held the lock when this process was forked off. A client itself, like
        # its connections, is not to be used on both sides of a fork.
        lock, things = self._by_process.setdefault(os.getpid(), (Lock(), WeakValueDictionary()))
        key = urlsplit(account.base_url).netloc.lower(), account.sid
        with lock:
            thing = things.setdefault(key, self._make())
            if thing not in self._kept:
                self._kept.append(thing)
            return thing
