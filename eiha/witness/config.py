"""The arbiter's configuration: every section and key there is. The declarations are as in ``eiha.node.config``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from eiha.node.config import PORT_MAX, LogSection
from eiha.node.config_check_tls import is_loopback
from eiha.node.config_key import key, required_key
from eiha.node.toml_document import TomlDocument


@dataclass(frozen=True, slots=True)
class ServedCluster:
    """One entry of `arbiter.clusters`: a pair that this arbiter holds the row of."""

    domain: str = required_key("The `cluster.domain` of both nodes.", minimum=1, maximum=128)
    secret: str = required_key(
        "Their `witness.secret`, or else their `cluster.secret`. Give it as `${env:NAME}` or `${file:PATH}`.",
        minimum=12,
        secret=True,
    )
    secret_previous: str = key(
        "",
        "Accepted beside `secret` while the secret is changed on one node after the other; empty: none.",
        minimum=12,
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class ArbiterSection:
    """Where the arbiter listens, what it keeps, and whom it serves."""

    host: str = key("127.0.0.1", "Address to bind; one that the nodes can reach, and nobody else.", minimum=1)
    port: int = key(11226, "Port to bind.", minimum=1, maximum=PORT_MAX)
    directory: str = key("var/witness", "Directory of the arbiter's file; one per arbiter, on a local disk.", minimum=1)
    clusters: tuple[ServedCluster, ...] = key(
        (), "The clusters served: tables `{domain, secret}`.", minimum=1, maximum=1_000
    )
    history_changes: int = key(
        1_000, "Changes of each row that are kept for the history; older ones are dropped.", minimum=1, maximum=100_000
    )
    idle_timeout_s: int = key(
        60, "A connection on which nothing was asked for this long is closed.", minimum=10, maximum=86_400
    )
    certificate: str = key(
        "",
        "File (PEM) of the arbiter's certificate, which names the host that the nodes dial; read at the start and at "
        "SIGHUP. Empty: the port is not encrypted.",
    )
    private_key: str = key("", "File (PEM) of its private key.")
    ca: str = key("", "File (PEM) of the authorities of the nodes' certificates.")
    client_auth: str = key(
        "none",
        "Whether nodes must show a certificate of `ca`, beside the proof of their secret.",
        choices=("none", "optional", "required"),
    )
    allow_plaintext: bool = key(
        False, "Listen without TLS on an address beyond loopback; a warning says so at each start."
    )


@dataclass(frozen=True, slots=True)
class ArbiterConfig:
    """The whole configuration, valid in itself. Made by ``read_arbiter_config`` only."""

    source: str
    arbiter: ArbiterSection = field(default_factory=ArbiterSection)
    log: LogSection = field(default_factory=LogSection)


ARBITER_SECTIONS: Final[dict[str, type]] = {"arbiter": ArbiterSection, "log": LogSection}
"""The sections by name."""


def read_arbiter_config(path: Path, environment: Mapping[str, str]) -> ArbiterConfig:
    """Read and check the configuration in ``path``. Raises ``ConfigurationError`` naming every problem found."""
    document = TomlDocument(path, environment)
    sections = document.sections(ARBITER_SECTIONS)
    document.raise_problems()
    config = ArbiterConfig(source=str(path), **sections)
    for message in _check_clusters(config.arbiter):
        document.report(("arbiter", "clusters"), message)
    for name, message in _check_tls(config.arbiter):
        document.report(("arbiter", name), message)
    document.raise_problems()
    return config


def _check_clusters(arbiter: ArbiterSection) -> Iterator[str]:
    if not arbiter.clusters:
        yield "arbiter.clusters is missing: without a cluster there is nothing to serve"
    domains = [cluster.domain for cluster in arbiter.clusters]
    for domain in sorted({domain for domain in domains if domains.count(domain) > 1}):
        yield f"arbiter.clusters names {domain!r} more than once; a cluster has one row and one secret"


def _check_tls(arbiter: ArbiterSection) -> Iterator[tuple[str, str]]:
    if not arbiter.certificate and not is_loopback(arbiter.host) and not arbiter.allow_plaintext:
        yield (
            "host",
            (
                f"arbiter.host is {arbiter.host}, which others can reach, and the port is not encrypted: set "
                "arbiter.certificate and arbiter.private_key (eiha certificates --arbiter makes them), or say "
                "arbiter.allow_plaintext = true"
            ),
        )
    if arbiter.private_key and not arbiter.certificate:
        yield "private_key", "arbiter.private_key is given without arbiter.certificate; the two belong together"
    if arbiter.client_auth != "none" and not (arbiter.certificate and arbiter.ca):
        yield "client_auth", "arbiter.client_auth asks for certificates: set arbiter.certificate and arbiter.ca"
