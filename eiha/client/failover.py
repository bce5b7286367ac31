"""Keeps one connection to one of several nodes: next in the list, hints, backoff, silence."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from typing import Any, Final

from eiha.client.connection import ConnectionOwner, NodeConnection
from eiha.client.options import ClientOptions
from eiha.errors import ConfigurationError
from eiha.transport.tls_refusal import tls_remedy

_PROBE_GROWTH: Final = 1.5


FAREWELL_S: Final = 1.0


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``; an IPv6 host is in brackets. Raises ``ConfigurationError``."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"a node's address must be host:port, not {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Link:
    """One connection at a time, to whichever node of ``nodes`` serves.

    ``failures`` holds, for each node, what happened at the last attempt.
    """

    def __init__(
        self, nodes: list[str], owner: ConnectionOwner, options: ClientOptions, changed: Callable[[], None]
    ) -> None:
        self.nodes = nodes
        self._tls = _context(options)
        self.connection: NodeConnection | None = None
        self.failures: dict[str, str] = {}
        self._owner = owner
        self._options = options
        self._changed = changed
        self._position = 0
        self._hint = ""
        self._hopped = False
        self._backoff_s = options.backoff_first_s
        self._failed_in_row = 0
        self._silence_s = options.silence_s

    async def run(self) -> None:
        """Connect, serve, connect again; until cancelled."""
        try:
            while True:
                address = self._hint or self.nodes[self._position % len(self.nodes)]
                hinted, self._hint = bool(self._hint), ""
                try:
                    connection = await self._open(address)
                except (OSError, TimeoutError) as failure:
                    self.failures[address] = _told(failure)
                    await self._after_failure(hinted=hinted)
                    continue
                await self._serve(connection, address)
        finally:
            if self.connection is not None:
                await _farewell(self.connection)
            await asyncio.sleep(0)  # sockets of connections that were given up are closed by the loop's next turn

    async def _open(self, address: str) -> NodeConnection:
        loop = asyncio.get_running_loop()
        options = self._options
        host, port = parse_address(address)
        connection = NodeConnection(self._owner, token=options.token, duplicated=options.events_duplicated_in_cluster)
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                await loop.create_connection(lambda: connection, host, port, ssl=self._tls)
                await connection.welcomed
        except BaseException:
            connection.abort("not welcomed in time")
            raise
        return connection

    async def _after_failure(self, *, hinted: bool) -> None:
        self._changed()
        if hinted:
            return  # the list itself was not tried
        self._position += 1
        self._failed_in_row += 1
        if self._failed_in_row % len(self.nodes) == 0:
            # jitter: clients that lost the same node must not come back in step
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            self._backoff_s = min(self._backoff_s * 2, self._options.backoff_max_s)

    async def _serve(self, connection: NodeConnection, address: str) -> None:
        welcome = connection.welcomed.result()
        hint = welcome.active_address if self._options.follow_active and len(self.nodes) > 1 else ""
        if hint not in ("", address) and not self._hopped:
            self._hopped = True  # one hop: two nodes that name each other must not send us to and fro
            self._hint = hint
            connection.close("following the active")
            return
        self.connection = connection
        self.failures.pop(address, None)
        connection.start()
        self._changed()
        reason, active = await self._until_closed(connection, address)
        self.connection = None
        self.failures[address] = reason
        self._hopped = False
        elsewhere = active or connection.redirect
        if elsewhere and elsewhere != address:
            self._hint, self._hopped = elsewhere, True
            if active:
                return
        elif connection.client_id == self._owner.session.client_id:
            self._position += 1
        if connection.acks:
            self._failed_in_row = 0
            self._backoff_s = self._options.backoff_first_s
            self._silence_s = self._options.silence_s
        elif connection.client_id == self._owner.session.client_id:
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            self._backoff_s = min(self._backoff_s * 2, self._options.backoff_max_s)
        self._changed()

    async def _until_closed(self, connection: NodeConnection, address: str) -> tuple[str, str]:
        """Wait for the end; why it came, and the address of another node if that one is known to be active.

        A node that says nothing although it owes acknowledgements is left: at once when another says that it is the
        active now, else after ``silence_s``.
        """
        loop = asyncio.get_running_loop()
        waiting_since = loop.time()
        probe_s = self._options.probe_s
        next_probe_s = probe_s
        while True:
            done, _ = await asyncio.wait({connection.closed}, timeout=min(probe_s, self._silence_s) / 4)
            if done:
                return connection.closed.result(), ""
            now = loop.time()
            if not len(self._owner.session):
                waiting_since = now
            quiet_s = now - max(waiting_since, connection.last_heard)
            if quiet_s > self._silence_s:
                connection.abort(f"nothing heard for {quiet_s:.1f} s")
                # the cluster may just be slow: do not circle faster than it can answer
                self._silence_s = min(self._silence_s * 2, 60.0)
            elif quiet_s < probe_s:
                next_probe_s = probe_s
            elif quiet_s > next_probe_s:
                active = await self._active_elsewhere(connection, address)
                if active:
                    connection.abort(f"nothing heard for {quiet_s:.1f} s, and {active} is active")
                    return f"nothing heard for {quiet_s:.1f} s, and {active} is active", active
                # rarer and rarer: a cluster that is just slow is not to be asked all the time
                next_probe_s = quiet_s * _PROBE_GROWTH

    async def _active_elsewhere(self, connection: NodeConnection, address: str) -> str:
        """The first other node that says it is active; empty when none does, or ``connection`` ended meanwhile."""
        for other in dict.fromkeys(self.nodes):
            if other == address:
                continue
            asking = asyncio.create_task(self._open(other))
            try:
                waited: tuple[asyncio.Future[Any], ...] = (asking, connection.closed)
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if not asking.done():
                    return ""
                probe = asking.result()
            except (OSError, TimeoutError) as failure:
                self.failures[other] = _told(failure)
                continue
            finally:
                asking.cancel()
            probe.close("asked for its role")
            if probe.welcomed.result().role == "active":
                return other
        return ""


async def _farewell(connection: NodeConnection) -> None:
    """Close, for as long as the other side takes part: over TLS it has to say goodbye, too."""
    connection.close("the client was closed")
    done, _ = await asyncio.wait({connection.closed}, timeout=FAREWELL_S)
    if not done:
        connection.abort("the node does not take the farewell")
        await asyncio.sleep(0)


def _context(options: ClientOptions) -> ssl.SSLContext | None:
    """The TLS context of a client's connections; None: not encrypted. Raises ``ConfigurationError``."""
    if not (options.tls or options.tls_ca or options.tls_certificate):
        return None
    from eiha.transport.tls import TlsFiles, dialling_context  # clients without TLS are spared its libraries

    files = TlsFiles(options.tls_certificate, options.tls_key, options.tls_ca, options.tls_minimum)
    return dialling_context(files, check_host=True)


def _told(failure: BaseException) -> str:
    if isinstance(failure, ssl.SSLError):
        return tls_remedy(failure)
    return str(failure) or type(failure).__name__
