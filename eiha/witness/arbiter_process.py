"""The arbiter at work: one request after the other, each change on disk before it is answered.

A full disk is told to whoever asked, and the arbiter goes on with what it holds. Any other failure of the disk ends
the process: what the disk holds is then in doubt, and a new start reads it.
"""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from pathlib import Path
from typing import Final

from eiha.errors import ConfigurationError, MalformedFrame, StoreUnavailable
from eiha.ha.arbiter import Arbiter, Considered
from eiha.net.arbiter_server import ArbiterServer, ArbiterSettings, Asker
from eiha.node.config_check_tls import is_loopback
from eiha.observability.logs import EventLog
from eiha.protocol.witness_messages import NotDone, RowChange, WitnessAnswer, WitnessRequest
from eiha.storage.witness_file import WitnessFile
from eiha.transport.tls import EndpointContext, TlsFiles, listening_context
from eiha.witness.config import ArbiterConfig, ArbiterSection
from eiha.witness.recovery import recover, shown_row

FORGOTTEN_MAX: Final = 1_000
"""The file is written anew when it holds this many changes that are not kept, and more of them than are kept."""


class ArbiterProcess:
    """One arbiter from its start to its end.

    Args:
        config: the configuration.
        log: a line for each change, and for what an operator must see.

    Raises:
        DirectoryInUse: another arbiter uses the directory.
    """

    def __init__(self, config: ArbiterConfig, log: EventLog) -> None:
        section = self._section = config.arbiter
        self._log = log
        self._tls = _context(section)
        self._arbiter = Arbiter(section.history_changes)
        self._file = WitnessFile(Path(section.directory))
        settings = ArbiterSettings(
            section.host,
            section.port,
            {cluster.domain: cluster.secret.encode() for cluster in section.clusters},
            f"arbiter {uuid.uuid4()}",
            section.idle_timeout_s,
            {cluster.domain: cluster.secret_previous.encode() for cluster in section.clusters},
            self._context if section.certificate else None,
        )
        self._server = ArbiterServer(settings, self._enqueue, log)
        # bounded by the connections and what each may have unanswered; None: answer what came before, then end
        self._queue: asyncio.Queue[tuple[Asker, WitnessRequest] | None] = asyncio.Queue()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            CorruptFile: the file is damaged.
            AddressUnavailable: the address cannot be bound.
            StorageError: the disk failed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._queue.put_nowait, None)
        loop.add_signal_handler(signal.SIGHUP, self._reload_certificates)
        if self._tls is None and not is_loopback(self._section.host):
            self._log.warning(
                "plaintext_allowed",
                f"the arbiter listens on {self._section.host} without encryption; arbiter.allow_plaintext says so",
            )
        try:
            recover(self._arbiter, self._file.open(), self._file.path)
            if self._file.dropped:
                self._log.warning("torn_end_dropped", f"dropped {self._file.dropped}; it was never answered")
            port = await self._server.start()
            settings = self._server.settings
            where = f"{settings.host}:{port}"
            self._log.info("arbiter_started", f"serving {len(settings.secrets)} clusters on {where}")
            await self._serve()
        finally:
            await self._server.stop()
            self._file.close()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
        self._log.info("arbiter_stopped", "the arbiter has stopped")

    def _context(self) -> EndpointContext:
        assert self._tls is not None
        return self._tls

    def _reload_certificates(self) -> None:
        """SIGHUP: for the connections from now on. What cannot be used is told, and everything stays as it was."""
        try:
            self._tls = _context(self._section)
        except ConfigurationError as error:
            self._log.error("certificates_not_reloaded", f"the certificate stays as it was: {error}")
            return
        self._log.info("certificates_reloaded", "the certificate was read again")

    def _enqueue(self, asker: Asker, request: WitnessRequest) -> None:
        self._queue.put_nowait((asker, request))

    async def _serve(self) -> None:
        while (item := await self._queue.get()) is not None:
            asker, request = item
            try:
                considered = self._arbiter.consider(asker.cluster, request, time.time_ns() // 1_000_000)
            except MalformedFrame as failure:
                asker.refuse(failure)
                continue
            asker.answer(await self._carry_out(request, considered))
            if considered.change is not None:
                await self._drop_forgotten()

    async def _carry_out(self, request: WitnessRequest, considered: Considered) -> WitnessAnswer:
        change = considered.change
        if change is None:
            return considered.answer
        try:
            # in a thread: a disk that stalls must not keep connections from being accepted and closed
            await asyncio.to_thread(self._file.append, change)
        except StoreUnavailable as cause:
            self._log.error("disk_full", f"{cause}. Nothing was changed", cluster=change.cluster)
            return NotDone(request.request, str(cause))
        self._arbiter.apply(change)
        self._say(change)
        return considered.answer

    async def _drop_forgotten(self) -> None:
        """Write the file anew when most of it is not needed any more, so that it never grows without a bound."""
        kept = self._arbiter.kept_count
        if self._file.count - kept <= max(kept, FORGOTTEN_MAX):
            return
        before = self._file.count
        try:
            await asyncio.to_thread(self._file.rewrite, tuple(self._arbiter.kept()))
        except StoreUnavailable as cause:
            self._log.warning("file_not_shortened", f"{cause}. It is tried again after the next change")
        else:
            self._log.info("file_shortened", f"{before - kept} changes that are not kept any more were dropped")

    def _say(self, change: RowChange) -> None:
        row = change.row
        assert row is not None, "no node can remove a row"
        # with the row as --put takes it: should the file be lost, it can be put back
        self._log.info("row_changed", f"{row.cluster}: {row.reason}", row=shown_row(row))


def _context(section: ArbiterSection) -> EndpointContext | None:
    """The TLS context of the port; None: it is not encrypted. Raises ``ConfigurationError``."""
    if not section.certificate:
        return None
    return listening_context(TlsFiles(section.certificate, section.private_key, section.ca), section.client_auth)
