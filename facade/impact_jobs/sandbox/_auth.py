"""Basic credentials, signed links and the hourly request budget."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import threading
from collections.abc import Callable
from typing import Final, Literal, Self
from urllib.parse import parse_qs, urlencode

from attrs import frozen

BudgetHeaders = Literal["plain", "epoch", "hour", "none"]
"""``X-RateLimit-*``; the same with an epoch as the reset; ``X-RateLimit-*-hour`` with ``RateLimit-Reset``; or none."""

_HOUR: Final = 3600.0
_CONSONANTS: Final = "bcdfghjkmnpqrstvwxz"


@frozen(kw_only=True)
class Credentials:
    """The SID of an account, its token, and a second token that may only read."""

    account_sid: str
    auth_token: str
    read_only_token: str

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """Derive credentials from a seed; equal seeds give equal credentials."""
        return cls(
            account_sid="IR" + _letters(f"account/{seed}", 16).upper(),
            auth_token=_letters(f"token/{seed}", 32),
            read_only_token=_letters(f"read-only/{seed}", 32),
        )

    def token_of(self, authorization: str) -> str | None:
        """Return the token in an Authorization header, or None unless SID and token are this account's."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        if scheme.lower() != "basic" or not hmac.compare_digest(user, self.account_sid.encode()):
            return None
        known = (self.auth_token, self.read_only_token)
        return next((token for token in known if hmac.compare_digest(password, token.encode())), None)


def _letters(label: str, length: int) -> str:
    digest = hashlib.shake_256(label.encode()).digest(length)
    return "".join(_CONSONANTS[byte % len(_CONSONANTS)] for byte in digest)


@frozen(kw_only=True)
class LinkSigner:
    """Signs paths of the storage, and verifies signed links."""

    key: bytes
    seconds: float
    clock: Callable[[], float]

    EXPIRES = "X-Sandbox-Expires"
    SIGNATURE = "X-Sandbox-Signature"

    def sign(self, path: str) -> str:
        """Return the path with a signature and an expiry time in its query."""
        expires = f"{self.clock() + self.seconds:.3f}"
        return f"{path}?{urlencode({self.EXPIRES: expires, self.SIGNATURE: self._signature(path, expires)})}"

    def error(self, path: str, query: str) -> tuple[str, str] | None:
        """Return why a link is refused, as an S3-like code and message, or None if it is valid."""
        values = parse_qs(query)
        expires, signature = (values.get(name, [""])[0] for name in (self.EXPIRES, self.SIGNATURE))
        if not expires or not signature:
            return "AccessDenied", "Access Denied"
        if not hmac.compare_digest(signature.encode(), self._signature(path, expires).encode()):
            return "SignatureDoesNotMatch", "The signature does not match the request."
        if self.clock() >= float(expires):  # cannot raise, because the signature covers it
            return "AccessDenied", "Request has expired"
        return None

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self.key, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


class HourlyBudget:
    """Counts requests in windows of an hour; a window opens with the first request after the last one closed."""

    def __init__(self, limit: int | None, *, form: BudgetHeaders, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._form = form
        self._clock = clock
        self._window_ends = float("-inf")
        self._used = 0
        self._lock = threading.Lock()

    def spend(self) -> dict[str, str]:
        """Count one request, and return the headers of its response; Retry-After means that the budget was spent."""
        if self._limit is None:
            return {}
        with self._lock:
            now = self._clock()
            if now >= self._window_ends:
                self._window_ends, self._used = now + _HOUR, 0
            allowed = self._used < self._limit
            self._used += allowed
            # Rounded up, so that a client that returns at that very second finds the new window open.
            reset, reset_epoch = str(math.ceil(self._window_ends - now)), str(math.ceil(self._window_ends))
            remaining = str(self._limit - self._used)
        suffix = "-hour" if self._form == "hour" else ""
        headers = {
            f"X-RateLimit-Limit{suffix}": str(self._limit),
            f"X-RateLimit-Remaining{suffix}": remaining,
            "RateLimit-Reset" if suffix else "X-RateLimit-Reset": reset_epoch if self._form == "epoch" else reset,
        }
        if self._form == "none":
            headers = {}
        return headers if allowed else headers | {"Retry-After": reset}
