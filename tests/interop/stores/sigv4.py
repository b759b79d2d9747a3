"""Sign links as S3 does (AWS Signature Version 4 in the query), following the vendor's description."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from functools import reduce
from urllib.parse import quote, urlencode

from attrs import field, frozen

REGION = "us-east-1"


@frozen
class Keys:
    """The credentials of an S3 account."""

    access: str
    secret: str = field(repr=False)


def signed(method: str, port: int, path: str, keys: Keys, *, seconds: int) -> str:
    """Sign a link to a path on loopback; with negative `seconds`, it has expired that long ago."""
    # A lifetime cannot be negative, so an expired link was valid for one second and signed earlier.
    start = datetime.now(UTC) + timedelta(seconds=min(seconds - 1, 0))
    stamp, lifetime = start.strftime("%Y%m%dT%H%M%SZ"), max(seconds, 1)
    host = f"127.0.0.1:{port}"
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    query = urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{keys.access}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(lifetime),
            "X-Amz-SignedHeaders": "host",
        },
        quote_via=quote,
        safe="~",
    )
    escaped = quote(path, safe="/~")
    canonical = f"{method}\n{escaped}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = reduce(_keyed, scope.split("/"), f"AWS4{keys.secret}".encode())
    return f"http://{host}{escaped}?{query}&X-Amz-Signature={_keyed(key, to_sign).hex()}"


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
