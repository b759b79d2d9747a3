"""Who may do what: Basic credentials, signed links, and the hour's budget."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections.abc import Callable
from typing import Final, Literal, Self
from urllib.parse import parse_qs, urlencode

from attrs import frozen

BudgetHeaders = Literal["plain", "hour", "epoch", "none"]
"""``X-RateLimit-*``, ``X-RateLimit-*-hour`` with ``RateLimit-Reset``, the first with an epoch as reset, or nothing."""

_HOUR: Final = 3600.0
_CONSONANTS: Final = "bcdfghjkmnpqrstvwxz"


@frozen(kw_only=True)
class Credentials:
    """One account: its SID, a token that may do everything and one that may only read."""

    account_sid: str
    auth_token: str
    read_only_token: str

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """Make credentials that are always the same for a seed."""
        return cls(
            account_sid="IR" + _letters(f"account/{seed}", 16).upper(),
            auth_token=_letters(f"token/{seed}", 32),
            read_only_token=_letters(f"read-only/{seed}", 32),
        )

    def token_of(self, authorization: str) -> str | None:
        """Give the token of an Authorization header; None unless it is a pair of this account."""
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
    """Signs paths of the storage, and tells a good link from a bad or an old one."""

    key: bytes
    seconds: float
    clock: Callable[[], float]

    EXPIRES = "X-Sandbox-Expires"
    SIGNATURE = "X-Sandbox-Signature"

    def sign(self, path: str) -> str:
        """Give the path with a query that opens it for a while."""
        expires = f"{self.clock() + self.seconds:.3f}"
        return f"{path}?{urlencode({self.EXPIRES: expires, self.SIGNATURE: self._signature(path, expires)})}"

    def refusal(self, path: str, query: str) -> tuple[str, str] | None:
        """Say what is wrong with a link, as an S3-like code and message; None when it is good."""
        values = parse_qs(query)
        expires, signature = (values.get(name, [""])[0] for name in (self.EXPIRES, self.SIGNATURE))
        if not expires or not signature:
            return "AccessDenied", "Access Denied"
        if not hmac.compare_digest(signature.encode(), self._signature(path, expires).encode()):
            return "SignatureDoesNotMatch", "The signature does not match the request."
        if self.clock() >= float(expires):  # its digits are ours: the signature covers them
            return "AccessDenied", "Request has expired"
        return None

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self.key, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


class HourlyBudget:
    """Counts requests in windows of an hour, the first of which begins with the first request.

    Args:
        limit: Requests an hour; None for no limit and no headers.
        form: Which of the documented headers say how the client stands.
        clock: Gives the epoch seconds.
    """

    def __init__(self, limit: int | None, *, form: BudgetHeaders, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._form = form
        self._clock = clock
        self._window_ends = float("-inf")
        self._used = 0
        self._lock = threading.Lock()

    def spend(self) -> dict[str, str]:
        """Take one request from the budget.

        Returns:
            The headers that tell the client how it stands; with a Retry-After when there was none left.
        """
        if self._limit is None:
            return {}
        with self._lock:
            now = self._clock()
            if now >= self._window_ends:
                self._window_ends, self._used = now + _HOUR, 0
            allowed = self._used < self._limit
            self._used += allowed
            # Rounded up: whoever comes back exactly then must find the new window open.
            reset = str(-int(-(self._window_ends - now) // 1))
            moment = str(-int(-self._window_ends // 1))
            left = str(self._limit - self._used)
        suffix = "-hour" if self._form == "hour" else ""
        headers = {
            f"X-RateLimit-Limit{suffix}": str(self._limit),
            f"X-RateLimit-Remaining{suffix}": left,
            "RateLimit-Reset" if suffix else "X-RateLimit-Reset": moment if self._form == "epoch" else reset,
        }
        if self._form == "none":
            headers = {}
        return headers if allowed else headers | {"Retry-After": reset}
