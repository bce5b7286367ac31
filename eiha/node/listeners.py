"""Where clients and operators come in: the TCP receiver, and HTTP with events, health, status and actions."""

from __future__ import annotations

from eiha.net.listening import unavailable
from eiha.node.admin_signature import SignatureCheck
from eiha.node.config import NodeConfig
from eiha.node.http_connection import HttpBounds
from eiha.node.http_server import HttpServer
from eiha.node.node_intake import NodeIntake
from eiha.node.node_tls import NodeTls
from eiha.node.operations_http import Operations, operations_routes
from eiha.node.query_http import Queries, query_routes
from eiha.observability.logs import EventLog
from eiha.observability.node_metrics import NodeMetrics
from eiha.observability.repeated_lines import RepeatedLines
from eiha.receivers.client_budgets import ClientRates
from eiha.receivers.http import HttpLimits, HttpReceiver, build_app
from eiha.receivers.tcp import TcpLimits, TcpReceiver
from eiha.transport.admission_limits import AdmissionLimits
from eiha.transport.gated_listener import GatedListener


class Listeners:
    """Both listeners of one node.

    Args:
        config: addresses and bounds.
        intake: what receivers hand events to.
        operations: what operators see and do.
        queries: answers questions, carries out statements.
        tls: contexts of encrypted ports.
        log: a line for each listener, and for connections refused before anything was said.
    """

    def __init__(
        self,
        config: NodeConfig,
        intake: NodeIntake,
        operations: Operations,
        queries: Queries,
        tls: NodeTls,
        log: EventLog,
    ) -> None:
        self._config = config
        self._log = log
        self._lines = RepeatedLines(log)
        ingest, http = config.ingest, config.http
        rates = ClientRates(ingest.client_events_per_s, ingest.client_bytes_per_s)
        limits = TcpLimits(
            credit_rows=ingest.credit_rows,
            credit_bytes=ingest.credit_bytes,
            connections_max=ingest.connections_max,
            receive_bytes_max=ingest.receive_bytes_max,
            connections_per_address_max=ingest.connections_per_address_max,
            connections_per_s_max=ingest.connections_per_s_max,
        )
        self.tcp = TcpReceiver(
            intake,
            token=ingest.token,
            limits=limits,
            rates=rates,
            tls=tls.listening("ingest"),
            refused=lambda code, address, sentence: self._refused("ingest", code, address, sentence),
        )
        http_limits = HttpLimits(body_bytes_max=http.body_bytes_max, bodies_bytes_max=http.bodies_bytes_max)
        self.http = HttpReceiver(intake, http_limits, rates)
        check = SignatureCheck(config.cluster.secret, config.cluster.secret_previous)
        app = build_app(self.http, [*operations_routes(operations, check), *query_routes(queries, check, log)])
        admission = AdmissionLimits(
            connections_max=http.connections_max,
            connections_per_address_max=http.connections_per_address_max,
            connections_per_s_max=http.connections_per_s_max,
        )
        self._server = HttpServer(
            app,
            http.host,
            http.port,
            HttpBounds(http.request_timeout_ms / 1_000, self.http.count_rejection),
            lambda serve: GatedListener(
                serve,
                limits=admission,
                tls=tls.listening("http"),
                refused=lambda code, address, sentence: self._refused("http", code, address, sentence),
            ),
        )

    def _refused(self, port: str, code: str, address: str, sentence: str) -> None:
        """A connection was refused at the gate. Bounds tell themselves in the metric; only sentences are lines."""
        text = f"{port}: connection of {address or 'somebody'} refused: {sentence or code}"
        self._lines.say("warning", "connection_refused", f"{port} {code}", text, reason=code, port=port)

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
        for receiver, refused in (
            ("tcp", self.tcp.rejected_by_code),
            ("http", self.http.rejected_by_code),
            ("tcp", self.tcp.gate.refused_by_code),
            ("http", self._server.gate.refused_by_code),
        ):
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
