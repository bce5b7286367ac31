"""Binding a listener, with an error that names the address and the remedy."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

from eiha.errors import AddressUnavailable


async def listen(factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, key: str) -> asyncio.Server:
    """Serve ``factory`` on ``host:port``. ``key``: the configuration key to change, e.g. ``management.port``.

    Raises:
        AddressUnavailable: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(factory, host, port, reuse_address=True)
    except OSError as cause:
        raise unavailable(cause, host, port, key) from cause


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
