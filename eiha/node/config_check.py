"""What must hold between keys: timing inequalities, distinct ports, references that resolve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from eiha.node.arbiter_location import parse_arbiter
from eiha.node.config import NodeConfig
from eiha.node.config_check_tls import check_tls

Where = tuple[str, ...]
HEARTBEATS_PER_TIMEOUT_MIN: Final = 3
"""One lost or late heartbeat must not look like a dead peer."""
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARD_HOSTS: Final = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104


def check_consistency(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    """Each broken rule as (path of the key, message with remedy)."""
    yield from _check_timing(config)
    yield from _check_members(config)
    yield from _check_ports(config)
    yield from _check_advertised(config)
    yield from _check_datasources(config)
    yield from _check_arbiter(config)
    yield from check_tls(config)
    if config.persistence.durability == "disk" and config.persistence.fsync != "every":
        yield ("persistence", "durability"), 'durability = "disk" promises flushed entries: set fsync = "every"'


def _check_timing(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    cluster = config.cluster
    least = HEARTBEATS_PER_TIMEOUT_MIN * cluster.heartbeat_interval_ms
    if cluster.failure_timeout_ms < least:
        yield (
            ("cluster", "failure_timeout_ms"),
            (
                f"cluster.failure_timeout_ms must be at least {HEARTBEATS_PER_TIMEOUT_MIN} times heartbeat_interval_ms "
                f"({least}); it is {cluster.failure_timeout_ms}"
            ),
        )
    if cluster.cold_start_wait_ms < cluster.failure_timeout_ms:
        yield (
            ("cluster", "cold_start_wait_ms"),
            (
                f"cluster.cold_start_wait_ms must be at least failure_timeout_ms ({cluster.failure_timeout_ms}), "
                f"else a starting node takes over from one that lives; it is {cluster.cold_start_wait_ms}"
            ),
        )
    if cluster.slow_peer_timeout_ms < cluster.failure_timeout_ms:
        yield (
            ("cluster", "slow_peer_timeout_ms"),
            (
                f"cluster.slow_peer_timeout_ms must be at least failure_timeout_ms ({cluster.failure_timeout_ms}), "
                f"else a slow peer is put out before a dead one; it is {cluster.slow_peer_timeout_ms}"
            ),
        )
    if 0 < cluster.stuck_loop_exit_ms < max(cluster.stuck_loop_ms, cluster.failure_timeout_ms):
        yield (
            ("cluster", "stuck_loop_exit_ms"),
            (
                f"cluster.stuck_loop_exit_ms must be at least stuck_loop_ms ({cluster.stuck_loop_ms}) and "
                f"failure_timeout_ms ({cluster.failure_timeout_ms}), so that the peer takes over first and the log "
                f"says where; it is {cluster.stuck_loop_exit_ms}"
            ),
        )


def _check_members(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    cluster = config.cluster
    where = ("cluster", "members")
    names = [member.node for member in cluster.members]
    if len(set(names)) != len(names):
        yield where, f"cluster.members names {names[0]!r} twice; each node has its own id"
    if cluster.membership_scheme == "wka" and len(names) == 2 and cluster.node not in names:
        yield (
            where,
            f"cluster.members lists two nodes, {names[0]!r} and {names[1]!r}, but not this one ({cluster.node!r})",
        )
    for member in cluster.members:
        if member.host in WILDCARD_HOSTS:
            yield (
                where,
                f"cluster.members: {member.host} is an address to bind, nobody can dial it; give the node's own",
            )
        if member.node == cluster.node:
            advertised = (
                config.management.advertised_port or config.management.port,
                config.event_sync.advertised_port or config.event_sync.port,
            )
            if advertised != (member.management_port, member.event_sync_port):
                yield (
                    where,
                    (
                        f"cluster.members says that {member.node} listens on ports {member.management_port} and "
                        f"{member.event_sync_port}, but this node advertises {advertised[0]} and {advertised[1]}"
                    ),
                )


def _check_ports(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    taken: dict[int, str] = {}
    for name, port in (
        ("management", config.management.port),
        ("event_sync", config.event_sync.port),
        ("http", config.http.port),
        ("ingest", config.ingest.port),
    ):
        if port in taken:
            yield (name, "port"), f"{name}.port is {port}, as is {taken[port]}.port; each listener needs its own"
        taken.setdefault(port, name)


def _check_advertised(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    """A wildcard can be bound but not dialled, so multicast members must say where they are."""
    for name, host, advertised in (
        ("management", config.management.host, config.management.advertised_host),
        ("event_sync", config.event_sync.host, config.event_sync.advertised_host),
    ):
        if advertised in WILDCARD_HOSTS:
            yield (name, "advertised_host"), f"{name}.advertised_host must be an address that others can dial"
        if config.cluster.membership_scheme == "multicast" and host in WILDCARD_HOSTS and not advertised:
            yield (name, "host"), f"{name}.host binds every interface: set {name}.advertised_host to what others dial"


def _check_datasources(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    known = dict(config.datasources)
    apart = len({member.host for member in config.cluster.members if member.host not in LOOPBACK_HOSTS}) > 1
    for section, name, value in (
        *((("witness", "datasource", config.witness.datasource),) if not config.witness.arbiter else ()),
        ("analytics", "event_store", config.analytics.event_store),
        ("analytics", "processed_store", config.analytics.processed_store),
        *((("analytics", "error_store", config.analytics.error_store),) if config.analytics.error_store else ()),
    ):
        if value and value not in known:
            there = ", ".join(sorted(known)) or "none"
            yield (
                (section, name),
                f"{section}.{name} refers to [datasources.{value}], which is not there (there: {there})",
            )
        elif apart and (not value or known[value].url.startswith("sqlite")):
            yield (
                (section, name),
                (
                    f"{section}.{name} is an SQLite file, but the members are on different hosts: both must share it, "
                    "so name a MySQL or MariaDB datasource"
                ),
            )


def _check_arbiter(config: NodeConfig) -> Iterator[tuple[Where, str]]:
    witness = config.witness
    if not witness.arbiter:
        if witness.secret:
            yield ("witness", "secret"), "witness.secret is for an arbiter, and witness.arbiter names none"
        return
    if witness.datasource:
        yield (
            ("witness", "arbiter"),
            (
                "witness.datasource and witness.arbiter are both given, but the row has one place; give one, and the "
                "same on both nodes"
            ),
        )
    location = parse_arbiter(witness.arbiter)
    if isinstance(location, str):
        yield ("witness", "arbiter"), f"witness.arbiter must be tls://host:port or tcp://host:port; {location}"
    elif location.host in WILDCARD_HOSTS:
        yield ("witness", "arbiter"), f"witness.arbiter: {location.host} is an address to bind, nobody can dial it"
