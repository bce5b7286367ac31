"""A certificate authority for one cluster, and certificates of it: for tests and for installations without one.

Keys are P-256, in files that only their owner can read. The authority signs nothing but certificates of this cluster;
who has its key can make any of them, so it belongs on no node.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eiha.errors import ConfigurationError
from eiha.transport.tls import CertificateFacts, node_name, read_certificate

AUTHORITY: Final = "ca"
AUTHORITY_DAYS: Final = 3_650
CLOCK_SKEW: Final = timedelta(minutes=5)
"""Certificates are valid from a little earlier, so that a clock that is behind does not refuse them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate to be made.

    ``name``: of the node or client, and of the files. ``domain``: names a node of this cluster in it; empty: none.
    ``hosts``: names and addresses under which it is dialled. ``days``: how long it is valid, from now; may be negative
    for a test of one that has ended.
    """

    name: str
    domain: str = ""
    hosts: tuple[str, ...] = ()
    days: int = 397


def make_authority(directory: Path, title: str) -> bool:
    """Make ``ca.pem`` and ``ca.key`` in ``directory``, unless both are there; whether they were made.

    Raises:
        ConfigurationError: only one of the two is there, or the directory cannot be written.
    """
    certificate, key = _paths(directory, AUTHORITY)
    if certificate.exists() and key.exists():
        return False
    if certificate.exists() or key.exists():
        raise ConfigurationError(f"{directory} holds one of ca.pem and ca.key, but not both: put the other back")
    private_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    public_key = private_key.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    _write(directory, AUTHORITY, made, private_key)
    return True


def issue(directory: Path, wanted: Wanted) -> CertificateFacts:
    """Make ``NAME.pem`` and ``NAME.key``, signed by the authority in ``directory``; what the certificate says.

    Files of that name are replaced, the key first; a node reads them at its start and at SIGHUP.

    Raises:
        ConfigurationError: the authority cannot be used, or a name cannot stand in a certificate.
    """
    if wanted.name == AUTHORITY or not wanted.name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise ConfigurationError(f"{wanted.name!r} cannot name a certificate and its files: letters, digits, - . _")
    authority, authority_key = _read_authority(directory)
    private_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    begins = now - CLOCK_SKEW if wanted.days > 0 else now + timedelta(days=wanted.days - 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.name[:64])]))
        .issuer_name(authority.subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(now + timedelta(days=wanted.days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    names = _names(wanted)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(directory, wanted.name, builder.sign(authority_key, hashes.SHA256()), private_key)
    return read_certificate(_paths(directory, wanted.name)[0])


def _names(wanted: Wanted) -> Sequence[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in wanted.hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError as cause:
                raise ConfigurationError(f"{host!r} is neither an address nor a host name in ASCII") from cause
    if wanted.domain:
        try:
            names.append(x509.UniformResourceIdentifier(node_name(wanted.domain, wanted.name)))
        except ValueError as cause:
            raise ConfigurationError(f"domain {wanted.domain!r} cannot stand in a certificate: use ASCII") from cause
    return names


def _read_authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate, key = _paths(directory, AUTHORITY)
    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        private_key = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as cause:
        raise ConfigurationError(f"the authority in {directory} cannot be read: {cause}") from cause
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(f"{key} is not a key on an elliptic curve: was it made by something else?")
    return loaded, private_key


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _paths(directory: Path, name: str) -> tuple[Path, Path]:
    return directory / f"{name}.pem", directory / f"{name}.key"


def _write(directory: Path, name: str, certificate: x509.Certificate, private_key: ec.EllipticCurvePrivateKey) -> None:
    certificate_path, key_path = _paths(directory, name)
    encoded_key = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, data, mode in (
            (key_path, encoded_key, 0o600),
            (certificate_path, certificate.public_bytes(Encoding.PEM), 0o644),
        ):
            made = path.with_name(path.name + ".new")
            made.unlink(missing_ok=True)
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
            made.replace(path)
    except OSError as cause:
        raise ConfigurationError(f"certificates cannot be written to {directory}: {cause.strerror}") from cause
