"""TLS contexts from certificate files, and what a connection's certificates say.

A context is made anew at each reload and never changed: connections keep the one they were made with. There are no
session tickets: a resumed session would show no certificate, so a withdrawn one would still be let in.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eiha.errors import ConfigurationError

CLIENT_AUTH: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
"""What a listener asks of those who connect."""

MINIMUM_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

PIN_PREFIX: Final = "sha256:"
NODE_NAME_SCHEME: Final = "eiha"
"""A node's certificate names it in a URI of its subject alternative names: ``eiha://DOMAIN/NODE``."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a certificate chain, its private key and the trusted authorities are (PEM). Empty: none.

    ``minimum``: a key of ``MINIMUM_VERSIONS``.
    """

    certificate: str = ""
    key: str = ""
    authority: str = ""
    minimum: str = "1.3"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What one certificate says. ``fingerprint``: SHA-256 of it; ``pin``: of its public key, as it is configured."""

    fingerprint: bytes
    pin: str
    names: tuple[str, ...]
    subject: str
    not_before: datetime
    not_after: datetime


class EndpointContext(ssl.SSLContext):
    """A context that knows the certificate it shows: ``own`` is None when it shows none."""

    own: CertificateFacts | None = None


def node_name(domain: str, node: str) -> str:
    """The URI by which a certificate names a node."""
    return f"{NODE_NAME_SCHEME}://{domain}/{node}"


def listening_context(files: TlsFiles, client_auth: str) -> EndpointContext:
    """The context of a listener. ``client_auth``: a key of ``CLIENT_AUTH``.

    Raises:
        ConfigurationError: a file cannot be used; the text names it and the remedy.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, files)
    if not files.certificate:
        raise ConfigurationError("a listener with TLS needs a certificate and its key")
    if client_auth != "none" and not files.authority:
        raise ConfigurationError(f'client_auth = "{client_auth}" needs a ca: without one no certificate can be judged')
    context.verify_mode = CLIENT_AUTH[client_auth]
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    return context


def dialling_context(files: TlsFiles, *, check_host: bool) -> EndpointContext:
    """The context of one who connects. Without an authority, those of the system are trusted.

    ``check_host``: whether the certificate must name the host; between members it names the node instead.

    Raises:
        ConfigurationError: a file cannot be used; the text names it and the remedy.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, files)
    context.check_hostname = check_host
    if not files.authority:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def read_certificate(path: Path) -> CertificateFacts:
    """What the first certificate of a PEM file says. Raises ``ConfigurationError``."""
    try:
        return _facts(x509.load_pem_x509_certificate(path.read_bytes()))
    except (OSError, ValueError) as cause:
        raise ConfigurationError(f"{path}: no certificate (PEM) can be read from it: {cause}") from cause


def certificate_facts(encoded: bytes) -> CertificateFacts:
    """What a certificate in DER says. Raises ``ValueError``."""
    return _facts(x509.load_der_x509_certificate(encoded))


def own_fingerprint(transport: asyncio.BaseTransport) -> bytes:
    """SHA-256 of the certificate that this side showed on the connection; empty: none, or no TLS."""
    ssl_object = transport.get_extra_info("ssl_object")
    own = getattr(ssl_object.context, "own", None) if ssl_object is not None else None
    return own.fingerprint if own is not None else b""


def peer_certificate(transport: asyncio.BaseTransport) -> bytes:
    """The certificate (DER) that the other side showed; empty: none, or no TLS."""
    ssl_object = transport.get_extra_info("ssl_object")
    return (ssl_object.getpeercert(binary_form=True) or b"") if ssl_object is not None else b""


def fingerprint(encoded: bytes) -> bytes:
    """SHA-256 of a certificate in DER; empty for none."""
    return hashlib.sha256(encoded).digest() if encoded else b""


def _context(protocol: int, files: TlsFiles) -> EndpointContext:
    context = EndpointContext(protocol)
    context.minimum_version = MINIMUM_VERSIONS[files.minimum]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # an authority of one's own may be just the other node's certificate, which no authority signed
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if files.certificate:
        context.own = read_certificate(Path(files.certificate))
        try:
            context.load_cert_chain(files.certificate, files.key or None, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as cause:
            raise ConfigurationError(
                f"certificate {files.certificate} and key {files.key or files.certificate} cannot be used together: "
                f"{_reason(cause)}; the key must be the certificate's, in PEM, without a password, readable to the node"
            ) from cause
    if files.authority:
        try:
            context.load_verify_locations(cafile=files.authority)
        except (OSError, ssl.SSLError) as cause:
            raise ConfigurationError(
                f"ca {files.authority} cannot be used: {_reason(cause)}; it must hold certificates in PEM"
            ) from cause
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _reason(cause: BaseException) -> str:
    return str(getattr(cause, "strerror", None) or cause)


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    public_key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    names: list[str] = []
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [
            *found.get_values_for_type(x509.UniformResourceIdentifier),
            *found.get_values_for_type(x509.DNSName),
            *[str(address) for address in found.get_values_for_type(x509.IPAddress)],
        ]
    except x509.ExtensionNotFound:
        pass  # a certificate may name nobody; it then only serves where it is pinned
    return CertificateFacts(
        fingerprint(certificate.public_bytes(Encoding.DER)),
        PIN_PREFIX + hashlib.sha256(public_key).hexdigest(),
        tuple(names),
        certificate.subject.rfc4514_string(),
        certificate.not_valid_before_utc.astimezone(UTC),
        certificate.not_valid_after_utc.astimezone(UTC),
    )
