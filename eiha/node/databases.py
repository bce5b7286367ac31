"""The witness and the databases a node uses: event, processed-data and error store, from their configuration."""

from __future__ import annotations

import asyncio

from eiha.engine.error_rows import ERRORS_SINK
from eiha.engine.runtime import EVENTS_SINK, PROCESSED_SINK
from eiha.errors import ConfigurationError
from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.arbiter_witness import ArbiterAddress, ArbiterWitness
from eiha.node.arbiter_location import ArbiterLocation, parse_arbiter
from eiha.node.config import DatasourceSection, NodeConfig
from eiha.node.config_check_tls import is_loopback
from eiha.node.node_tls import ARBITER, NodeTls
from eiha.ports import Sink, Witness
from eiha.storage.datasource import DatabaseTls, DataSource, parse_datasource
from eiha.storage.sql_sink import SqlSink
from eiha.storage.witness_sql import SqlWitness


def open_witness(config: NodeConfig, incarnation: Incarnation, tls: NodeTls | None = None) -> Witness:
    """The witness, a database's or an arbiter's. It connects when it is first asked."""
    timeout_s = config.witness.timeout_ms / 1_000
    if config.witness.arbiter:
        return ArbiterWitness(_arbiter(config, incarnation, tls), timeout_s=timeout_s)
    source = _source(config, config.witness.datasource, "witness")
    return SqlWitness(source, config.cluster.domain, timeout_s=timeout_s)


def open_sinks(config: NodeConfig) -> tuple[Sink, ...]:
    """The event store and the processed-data store. They connect when they are first asked."""
    analytics = config.analytics
    events = _source(config, analytics.event_store, "event_store")
    processed = _source(config, analytics.processed_store, "processed_store")
    return (
        SqlSink(EVENTS_SINK, config.cluster.domain, events, table_prefix=analytics.event_table_prefix or None),
        SqlSink(
            PROCESSED_SINK, config.cluster.domain, processed, table_prefix=analytics.processed_table_prefix or None
        ),
        SqlSink(ERRORS_SINK, config.cluster.domain, error_source(config), table_prefix=""),
    )


def error_source(config: NodeConfig) -> DataSource:
    """The database of the error store."""
    analytics = config.analytics
    return _source(config, analytics.error_store or analytics.processed_store, "processed_store")


def turns(config: NodeConfig) -> dict[str, asyncio.Lock]:
    """For each sink whose turn to write it is: an SQLite file takes one writer at a time, so its sinks share one."""
    analytics = config.analytics
    sources = {
        EVENTS_SINK: _source(config, analytics.event_store, "event_store"),
        PROCESSED_SINK: _source(config, analytics.processed_store, "processed_store"),
        ERRORS_SINK: error_source(config),
    }
    of_file: dict[str, asyncio.Lock] = {}
    return {
        sink: asyncio.Lock() if source.is_mysql else of_file.setdefault(str(source.url), asyncio.Lock())
        for sink, source in sources.items()
    }


def check_datasources(config: NodeConfig) -> None:
    """Raise ``ConfigurationError`` for a database URL that cannot be used, or would be in the clear, naming its key."""
    for name, section in config.datasources:
        try:
            source = _parsed(section)
            if _is_plain(source) and not section.allow_plaintext:
                raise ConfigurationError(
                    f"the server at {source.server_host} can be reached by others, and would be asked without "
                    f'encryption: set datasources.{name}.tls = "on" (and tls_ca, if its authority is none of the '
                    f"system's), or say datasources.{name}.allow_plaintext = true"
                )
        except ConfigurationError as error:
            raise ConfigurationError(f"{config.source}: datasources.{name}.url: {error}") from error


def plain_databases(config: NodeConfig) -> list[str]:
    """A sentence for each database beyond loopback that is asked without encryption, as the configuration allows."""
    return [
        f"the database at {source.server_host} is asked without encryption: whoever is on the way reads and changes "
        f"what passes; datasources.{name}.allow_plaintext says so"
        for name, section in config.datasources
        if _is_plain(source := _parsed(section))
    ]


def _is_plain(source: DataSource) -> bool:
    host = source.server_host
    return bool(host) and not source.is_encrypted and not is_loopback(host)


def _arbiter(config: NodeConfig, incarnation: Incarnation, tls: NodeTls | None) -> ArbiterAddress:
    location = parse_arbiter(config.witness.arbiter)
    assert isinstance(location, ArbiterLocation), "checked when the configuration was read"
    cluster = config.cluster
    secret = config.witness.secret or cluster.secret
    previous = "" if config.witness.secret else cluster.secret_previous
    context = tls.dialling(ARBITER) if tls is not None else None
    assert (context is not None) == location.tls
    return ArbiterAddress(
        location.host,
        location.port,
        cluster.domain,
        NodeId(cluster.node),
        incarnation,
        secret.encode(),
        previous.encode(),
        context,
    )


def _source(config: NodeConfig, name: str, embedded: str) -> DataSource:
    return _parsed(config.datasource(name, embedded))


def _parsed(section: DatasourceSection) -> DataSource:
    tls = DatabaseTls(section.tls, section.tls_ca, section.tls_certificate, section.tls_key)
    return parse_datasource(
        section.url, connect_timeout_s=section.connect_timeout_ms / 1_000, lock_wait_s=section.lock_wait_s, tls=tls
    )
