"""What went wrong in a TLS handshake, and what to do, in words an operator can use on either side."""

from __future__ import annotations

import ssl
from typing import Final

_VERIFY_CODES: Final = {
    9: "its certificate is not valid yet: compare the clocks of both machines",
    10: "its certificate has expired: make a new one and reload (SIGHUP) on its side",
    18: "its certificate signed itself, and the ca here does not hold it: give it one of the cluster's authority",
    19: "an authority in its chain is not among those of the ca here: put the authority into the ca file here",
    20: "its certificate is of an authority that the ca here does not hold: both sides need one of the same authority",
    21: "its certificate is of an authority that the ca here does not hold: both sides need one of the same authority",
    23: "its certificate was withdrawn",
    26: "its certificate is not for this use: it needs both serverAuth and clientAuth",
    62: "its certificate does not name the host that was dialled: make one that does (eiha certificates --host)",
    64: "its certificate does not name the address that was dialled: make one that does (eiha certificates --host)",
}
"""OpenSSL's X509_V_ERR_… numbers."""

_REASONS: Final = (
    ("CERTIFICATE_REQUIRED", "it asks for a certificate and was shown none: set certificate and key here"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it showed no certificate: set certificate and key on its side"),
    ("ALERT_UNKNOWN_CA", "it does not know the authority of the certificate here: its ca must hold that authority"),
    ("ALERT_CERTIFICATE_EXPIRED", "it says that the certificate here has expired: make a new one and reload (SIGHUP)"),
    ("ALERT_BAD_CERTIFICATE", "it cannot use the certificate here: is it one of its authority, for this use?"),
    ("ALERT_UNSUPPORTED_CERTIFICATE", "the certificate here is not for this use: it needs serverAuth and clientAuth"),
    ("ALERT_CERTIFICATE_UNKNOWN", "it refuses the certificate here: is it valid, and of an authority in its ca?"),
    ("ALERT_ACCESS_DENIED", "it refuses the certificate here"),
    ("ALERT_PROTOCOL_VERSION", "the TLS versions of both sides do not meet: compare minimum_version on both"),
    ("UNSUPPORTED_PROTOCOL", "the TLS versions of both sides do not meet: compare minimum_version on both"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS: configure [tls] there, too"),
    ("HTTP_REQUEST", "it does not speak TLS: use https://"),
    ("PACKET_LENGTH_TOO_LONG", "it does not speak TLS: configure [tls] there, too"),
    ("RECORD_LAYER_FAILURE", "it does not speak TLS: configure [tls] there, too"),
    ("NO_SHARED_CIPHER", "both sides have no cipher in common"),
    ("HANDSHAKE_FAILURE", "it refused the handshake: compare certificates and minimum_version on both sides"),
)
"""Parts of OpenSSL's reason names."""


CLOSED_IN_HANDSHAKE: Final = (
    "TLS: the other side closed the connection in the handshake: it does not speak TLS, or does not accept the "
    "certificate here (is it of an authority in its ca, and valid?); its log says which"
)
"""What is left to say when no alert came: an event loop may close before it has sent one."""

CLOSED_AFTER_HANDSHAKE: Final = (
    "TLS: the other side closed the connection right after the handshake: it does not accept the certificate here, or "
    "asks for one and was shown none; its log says which"
)
"""With TLS 1.3 a client has finished before its certificate is judged."""


def tls_remedy(failure: BaseException) -> str:
    """One line: what the other side or this one did wrong, and the remedy."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        known = _VERIFY_CODES.get(failure.verify_code)
        return f"TLS: {known}" if known else f"TLS: its certificate is refused: {failure.verify_message}"
    reason = str(getattr(failure, "reason", "") or failure).upper().replace(" ", "_")
    for part, remedy in _REASONS:
        if part in reason:
            return f"TLS: {remedy}"
    if isinstance(failure, ssl.SSLError):
        return f"TLS: the handshake failed: {failure.reason or failure}"
    if isinstance(failure, TimeoutError | ConnectionAbortedError):
        return "TLS: the handshake was not finished in time"
    if isinstance(failure, ConnectionError):
        return CLOSED_IN_HANDSHAKE
    return f"TLS: the handshake failed: {failure}"


def refusal_code(failure: BaseException) -> str:
    """The reason under which a failed handshake is counted."""
    match failure:
        case ssl.SSLCertVerificationError():
            return "certificate-refused"
        case TimeoutError() | ConnectionAbortedError():
            return "handshake-timeout"
        case ssl.SSLError() if "PEER_DID_NOT_RETURN" in (failure.reason or ""):
            return "certificate-missing"
        case _:
            return "tls-failed"
