"""State that all clients of one account share within a process."""

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
    """One object per account, created on first use and dropped with the last client that holds it.

    Args:
        create: Creates the object.
        kept: How many of the newest objects outlive their clients.
    """

    def __init__(self, create: Callable[[], T], *, kept: int = 0) -> None:
        self._create = create
        self._kept: deque[T] = deque(maxlen=kept)
        self._by_process: dict[int, tuple[Lock, WeakValueDictionary[tuple[str, str], T]]] = {}

    def get(self, account: Account) -> T:
        """Return the account's object."""
        # By process, because another thread may have held the lock when this process was forked.
        lock, objects = self._by_process.setdefault(os.getpid(), (Lock(), WeakValueDictionary()))
        key = urlsplit(account.base_url).netloc.lower(), account.sid
        with lock:
            found = objects.setdefault(key, self._create())
            if found not in self._kept:
                self._kept.append(found)
            return found
