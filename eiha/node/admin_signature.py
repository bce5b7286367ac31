"""Who may act on a node over HTTP: requests are signed with the cluster secret, which never travels.

::

    X-Eiha-Time       milliseconds since the epoch, at most a minute off
    X-Eiha-Signature  hex(HMAC-SHA256(secret, method ‖ \\n ‖ path ‖ \\n ‖ time ‖ \\n ‖ SHA-256(body)))

A signature is good once.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from typing import Final

from eiha.transport.admission_limits import FailedLogins

TIME_HEADER: Final = "x-eiha-time"
SIGNATURE_HEADER: Final = "x-eiha-signature"
WINDOW_MS: Final = 60_000
REMEMBERED_MAX: Final = 10_000


def sign(secret: str, method: str, path: str, time_ms: int, body: bytes) -> str:
    """The signature of a request."""
    said = f"{method}\n{path}\n{time_ms}\n".encode() + hashlib.sha256(body).digest()
    return hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()


class SignatureCheck:
    """Checks signatures and remembers those used. ``check`` returns why a request is refused, empty if it is not.

    ``previous``: accepted, too, while the secret is changed. ``delay_s`` says how late a refusal is to be answered.
    """

    def __init__(self, secret: str, previous: str = "") -> None:
        self._secrets = (secret, previous) if previous else (secret,)
        self._failed = FailedLogins()
        self._used: OrderedDict[str, int] = OrderedDict()

    def delay_s(self, address: str, now_s: float) -> float:
        """Count a refusal of ``address``: the more of them, the later they are answered."""
        return self._failed.failed(address, now_s)

    def check(self, method: str, path: str, time_text: str, signature: str, body: bytes, now_ms: int) -> str:
        """Whether the request comes from someone who knows the secret, now, and for the first time."""
        if not time_text.isascii() or not time_text.isdecimal() or len(time_text) > 15 or not signature:
            return f"sign the request with the cluster secret: headers {TIME_HEADER} and {SIGNATURE_HEADER}"
        time_ms = int(time_text)
        if abs(now_ms - time_ms) > WINDOW_MS:
            return f"the request was signed {abs(now_ms - time_ms) // 1_000} s away from this node's clock; at most 60"
        given = signature.encode("utf-8", "replace")
        expected = [sign(secret, method, path, time_ms, body).encode() for secret in self._secrets]
        if not any(hmac.compare_digest(each, given) for each in expected):
            return "the signature is not of this cluster's secret"
        if signature in self._used:
            return "this request was made before; sign it anew"
        self._used[signature] = time_ms
        while len(self._used) > REMEMBERED_MAX or now_ms - next(iter(self._used.values())) > 2 * WINDOW_MS:
            self._used.popitem(last=False)
        return ""
