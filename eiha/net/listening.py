"""Binding a listener, with an error that names the address and the remedy."""

from __future__ import annotations

import errno
import os

from eiha.errors import AddressUnavailable
from eiha.transport.gated_listener import GatedListener


async def listen(listener: GatedListener, host: str, port: int, key: str) -> int:
    """Start ``listener`` on ``host:port``; its port. ``key``: the configuration key to change, ``management.port``.

    Raises:
        AddressUnavailable: the address cannot be bound.
    """
    try:
        _, bound = await listener.start(host, port)
    except OSError as cause:
        raise unavailable(cause, host, port, key) from cause
    return bound


def unavailable(cause: OSError, host: str, port: int, key: str) -> AddressUnavailable:
    """The error that says why ``host:port`` cannot be bound and which key to change."""
    if cause.errno == errno.EADDRINUSE:
        what = f"another process listens there already; stop it, or set {key} to a free port"
    elif cause.errno in (errno.EADDRNOTAVAIL, None):
        what = f"this machine has no such address; set {key.rsplit('.', 1)[0]}.host to one of its own"
    elif cause.errno == errno.EACCES:
        what = f"ports below 1024 need privileges; set {key} to a higher one"
    else:
        what = f"{os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause}; check {key}"
    return AddressUnavailable(f"cannot listen on {host}:{port} ({key}): {what}")
