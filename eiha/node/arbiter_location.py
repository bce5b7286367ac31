"""``tls://host:port`` or ``tcp://host:port``: where an arbiter listens, as a node's configuration tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = ("tls", "tcp")


@dataclass(frozen=True, slots=True)
class ArbiterLocation:
    """A host name or address, without brackets, and a port."""

    host: str
    port: int
    tls: bool = False


def parse_arbiter(text: str) -> ArbiterLocation | str:
    """The location, or what is wrong with ``text``."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as cause:
        return f"{text!r} is none: {cause}"
    if parts.scheme not in SCHEMES:
        return f"{text!r} does not begin with {' or '.join(f'{scheme}://' for scheme in SCHEMES)}"
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return "nothing but a host and a port belongs in it; the secret has a key of its own"
    if not parts.hostname:
        return f"{text!r} names no host"
    if not port:
        return f"{text!r} names no port"
    return ArbiterLocation(parts.hostname, port, parts.scheme == "tls")
