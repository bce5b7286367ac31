"""What must hold of encryption: no port beyond loopback is plain unless that is said, and TLS has what it needs."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from eiha.node.arbiter_location import ArbiterLocation, parse_arbiter
from eiha.node.config import LISTENING_SECTIONS, NodeConfig
from eiha.node.tls_settings import PEER_PORTS, client_auth, is_encrypted, port_files

Where = tuple[str, ...]
_PIN: Final = re.compile(r"sha256:[0-9a-f]{64}")


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine only. A name other than ``localhost`` is taken to be more."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_tls(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    """Each broken rule as (path of the key, message with remedy)."""
    yield from _check_ports_named(config)
    yield from _check_files(config)
    yield from _check_plaintext(config)
    yield from _check_pins(config)
    for name, source in config.datasources:
        if source.tls == "off" and (source.tls_ca or source.tls_certificate or source.tls_key):
            yield ("datasources", name, "tls"), f'datasources.{name}.tls is "off", but certificates are named beside it'


def _check_ports_named(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    for name, port in config.tls_ports:
        if name not in LISTENING_SECTIONS:
            near = difflib.get_close_matches(name, LISTENING_SECTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(LISTENING_SECTIONS)}"
            yield ("tls_ports", name), f"[tls_ports.{name}] is for a port that does not exist; {hint}"
        elif name in PEER_PORTS and port.client_auth:
            yield ("tls_ports", name, "client_auth"), f"members always show certificates: {name} takes no client_auth"


def _check_files(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    tls = config.tls
    if tls.private_key and not tls.certificate:
        yield ("tls", "private_key"), "tls.private_key is given without tls.certificate; the two belong together"
    overridden = dict(config.tls_ports)
    for name in LISTENING_SECTIONS:
        where: Where = ("tls_ports", name) if name in overridden else ("tls",)
        if not is_encrypted(config, name):
            if name in overridden and overridden[name].tls == "on":
                yield where, f"[tls_ports.{name}] names no certificate, and [tls] has none either"
            continue
        files = port_files(config, name)
        if name in PEER_PORTS and not files.authority:
            yield where, f"members show each other certificates on {name}: set tls.ca to the authority of both"
        elif client_auth(config, name) != "none" and not files.authority:
            yield where, f"client_auth asks for certificates on {name}, but no ca says which are good: set tls.ca"


def _check_plaintext(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    for name in LISTENING_SECTIONS:
        section = getattr(config, name)
        if not is_encrypted(config, name) and not is_loopback(section.host) and not section.allow_plaintext:
            yield (
                (name, "host"),
                (
                    f"{name}.host is {section.host}, which others can reach, and the port is not encrypted: set "
                    f"tls.certificate, tls.private_key and tls.ca (eiha certificates makes them), or say "
                    f"{name}.allow_plaintext = true"
                ),
            )
    witness = config.witness
    location = parse_arbiter(witness.arbiter) if witness.arbiter else ""
    is_plain = isinstance(location, ArbiterLocation) and not location.tls and not is_loopback(location.host)
    if is_plain and not witness.allow_plaintext:
        yield (
            ("witness", "arbiter"),
            (
                f"{witness.arbiter} would be asked without encryption: give the arbiter a certificate and write tls:// "
                "instead of tcp://, or say witness.allow_plaintext = true"
            ),
        )


def _check_pins(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    where = ("cluster", "members")
    for member in config.cluster.members:
        for pin in member.pins.split():
            if not _PIN.fullmatch(pin):
                yield where, f"{pin!r} of {member.node} is no pin: it is sha256: and 64 hexadecimal digits"
        if member.pins and not (is_encrypted(config, "management") and is_encrypted(config, "event_sync")):
            yield where, f"{member.node} has pins, but the members do not speak TLS: set tls.certificate"
