"""Which port is encrypted and with which files, from ``[tls]`` and what ``[tls_ports.NAME]`` says differently."""

from __future__ import annotations

from typing import Final

from eiha.node.config import NodeConfig
from eiha.transport.tls import TlsFiles

PEER_PORTS: Final = ("management", "event_sync")
"""The ports of the other member; both sides show certificates on them."""


def is_encrypted(config: NodeConfig, port: str) -> bool:
    """Whether the port of section ``port`` speaks TLS."""
    override = dict(config.tls_ports).get(port)
    if override is None:
        return bool(config.tls.certificate)
    return override.tls == "on" and bool(override.certificate or config.tls.certificate)


def port_files(config: NodeConfig, port: str) -> TlsFiles:
    """The files of the port of section ``port``."""
    tls, override = config.tls, dict(config.tls_ports).get(port)
    certificate, private_key, authority = tls.certificate, tls.private_key, tls.ca
    if override is not None:
        if override.certificate:
            certificate, private_key = override.certificate, override.private_key
        authority = override.ca or authority
    return TlsFiles(certificate, private_key, authority, tls.minimum_version)


def client_auth(config: NodeConfig, port: str) -> str:
    """What those who connect to the port must show: ``none``, ``optional`` or ``required``."""
    if port in PEER_PORTS:
        return "required"
    override = dict(config.tls_ports).get(port)
    return (override.client_auth if override is not None else "") or config.tls.client_auth
