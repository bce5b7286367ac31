"""The witness and the databases a node uses: event store, processed-data store, from their configuration."""

from __future__ import annotations

from eiha.engine.runtime import EVENTS_SINK, PROCESSED_SINK
from eiha.errors import ConfigurationError
from eiha.kernel.ids import Incarnation, NodeId
from eiha.net.arbiter_witness import ArbiterAddress, ArbiterWitness
from eiha.node.arbiter_location import ArbiterLocation, parse_arbiter
from eiha.node.config import NodeConfig
from eiha.ports import Sink, Witness
from eiha.storage.datasource import DataSource, parse_datasource
from eiha.storage.sql_sink import SqlSink
from eiha.storage.witness_sql import SqlWitness


def open_witness(config: NodeConfig, incarnation: Incarnation) -> Witness:
    """The witness, a database's or an arbiter's. It connects when it is first asked."""
    timeout_s = config.witness.timeout_ms / 1_000
    if config.witness.arbiter:
        return ArbiterWitness(_arbiter(config, incarnation), timeout_s=timeout_s)
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
    )


def share_a_file(config: NodeConfig) -> bool:
    """Whether both stores are one SQLite file, which takes one writer at a time."""
    analytics = config.analytics
    events = _source(config, analytics.event_store, "event_store")
    processed = _source(config, analytics.processed_store, "processed_store")
    return not events.is_mysql and events.url == processed.url


def check_datasources(config: NodeConfig) -> None:
    """Raise ``ConfigurationError`` for a database URL that cannot be used, naming its key."""
    for name, section in config.datasources:
        try:
            parse_datasource(section.url)
        except ConfigurationError as error:
            raise ConfigurationError(f"{config.source}: datasources.{name}.url: {error}") from error


def _arbiter(config: NodeConfig, incarnation: Incarnation) -> ArbiterAddress:
    location = parse_arbiter(config.witness.arbiter)
    assert isinstance(location, ArbiterLocation), "checked when the configuration was read"
    secret = config.witness.secret or config.cluster.secret
    return ArbiterAddress(
        location.host, location.port, config.cluster.domain, NodeId(config.cluster.node), incarnation, secret.encode()
    )


def _source(config: NodeConfig, name: str, embedded: str) -> DataSource:
    section = config.datasource(name, embedded)
    return parse_datasource(
        section.url, connect_timeout_s=section.connect_timeout_ms / 1_000, lock_wait_s=section.lock_wait_s
    )
