"""Where clients and operators come in: the TCP receiver, and HTTP with events, health, status and actions."""

from __future__ import annotations

from eiha.net.listening import unavailable
from eiha.node.admin_signature import SignatureCheck
from eiha.node.config import NodeConfig
from eiha.node.http_server import HttpServer
from eiha.node.node_intake import NodeIntake
from eiha.node.operations_http import Operations, operations_routes
from eiha.node.query_http import Queries, query_routes
from eiha.observability.logs import EventLog
from eiha.observability.node_metrics import NodeMetrics
from eiha.receivers.http import HttpLimits, HttpReceiver, build_app
from eiha.receivers.tcp import TcpLimits, TcpReceiver


class Listeners:
    """Both listeners of one node.

    Args:
        config: addresses and bounds.
        intake: what receivers hand events to.
        operations: what operators see and do.
        queries: answers questions, carries out statements.
        log: a line for each listener.
    """

    def __init__(
        self, config: NodeConfig, intake: NodeIntake, operations: Operations, queries: Queries, log: EventLog
    ) -> None:
        self._config = config
        self._log = log
        ingest = config.ingest
        limits = TcpLimits(
            credit_rows=ingest.credit_rows, credit_bytes=ingest.credit_bytes, connections_max=ingest.connections_max
        )
        self.tcp = TcpReceiver(intake, token=ingest.token, limits=limits)
        self.http = HttpReceiver(intake, HttpLimits(body_bytes_max=config.http.body_bytes_max))
        check = SignatureCheck(config.cluster.secret)
        app = build_app(self.http, [*operations_routes(operations, check), *query_routes(queries, check, log)])
        self._server = HttpServer(app, config.http.host, config.http.port)

    async def start(self) -> None:
        """Bind both ports. Raises ``AddressUnavailable``."""
        ingest, http = self._config.ingest, self._config.http
        self._server.bind()
        try:
            await self.tcp.start(ingest.host, ingest.port)
        except OSError as cause:
            raise unavailable(cause, ingest.host, ingest.port, "ingest.port") from cause
        self._log.info("ingest_started", f"TCP receiver started on {ingest.host}:{ingest.port}")
        self._log.info("http_started", f"HTTP receiver, status and metrics started on {http.host}:{http.port}")

    def count_refusals(self, metrics: NodeMetrics) -> None:
        """Bring the metric of refusals up to date."""
        for receiver, refused in (("tcp", self.tcp.rejected_by_code), ("http", self.http.rejected_by_code)):
            for code, count in refused.items():
                metrics.refused.add(count - metrics.refused.value(receiver, code), receiver, code)

    async def run(self) -> None:
        """Serve HTTP until stopped."""
        await self._server.run()

    async def stop(self, redirect: str) -> None:
        """Say goodbye to clients, with the address where to go on."""
        await self.tcp.close(redirect=redirect)
        await self.http.close()
        await self._server.stop()
