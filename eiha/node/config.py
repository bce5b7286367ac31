"""A node's configuration: every section and key there is, with type, default, bounds and meaning.

These dataclasses are the one table from which reading (``config_reader``), ``--check``, ``docs/configuration.md``
and the tests are made. Times are in milliseconds unless the name says otherwise; sizes in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from eiha.ha.policy import SLOW_PEER_POLICIES
from eiha.node.config_key import key, required_key

PORT_MAX: Final = 65_535
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemberAddress:
    """One entry of ``cluster.members``: where the other node finds this member's two channels."""

    node: str = required_key("Id of the member.", minimum=1, maximum=64)
    host: str = required_key("Address or name under which the other node reaches the member.", minimum=1)
    management_port: int = key(10005, "The member's management port.", minimum=1, maximum=PORT_MAX)
    event_sync_port: int = key(11224, "The member's eventSync port.", minimum=1, maximum=PORT_MAX)
    http_port: int = key(
        0, "The member's HTTP port, so that `eiha status` shows both nodes; 0: not told.", minimum=0, maximum=PORT_MAX
    )
    ingest_port: int = key(
        0,
        "The member's ingest port, which clients are told when it is active; 0: not told.",
        minimum=0,
        maximum=PORT_MAX,
    )
    pins: str = key(
        "",
        "The certificates accepted from this member over TLS, as `sha256:` and the SHA-256 of the public key in hex "
        "(`eiha certificates` prints it), several separated by spaces; empty: one of `tls.ca` that names the node as "
        "`eiha://DOMAIN/NODE`.",
    )


@dataclass(frozen=True, slots=True)
class ClusterSection:
    """Who the two nodes are and how they find and judge each other."""

    node: str = required_key(
        "Id of this node, unlike the other's. The node whose id sorts first dials, the other accepts.",
        minimum=1,
        maximum=64,
    )
    secret: str = required_key(
        "Shared by both nodes; proves membership in the handshake, signs multicast announcements and guards the "
        "administrative actions. Give it as `${env:NAME}` or `${file:PATH}`.",
        minimum=12,
        secret=True,
    )
    secret_previous: str = key(
        "",
        "Accepted beside `secret` while the secret is changed on one node after the other; empty: none.",
        minimum=12,
        secret=True,
    )
    domain: str = key(
        "eiha.domain", "Name of the cluster; nodes of another domain are refused.", minimum=1, maximum=128
    )
    membership_scheme: str = key(
        "wka",
        "`wka`: the well-known members listed in `members`; `multicast`: the nodes announce themselves.",
        choices=("wka", "multicast"),
    )
    members: tuple[MemberAddress, ...] = key(
        (), "The well-known members: at most two tables `{node, host, management_port, event_sync_port}`.", maximum=2
    )
    multicast_address: str = key("228.0.0.4", "Group that announcements are sent to.", minimum=7)
    multicast_port: int = key(45564, "UDP port of the announcements.", minimum=1, maximum=PORT_MAX)
    multicast_ttl: int = key(1, "Hops that announcements may travel.", minimum=0, maximum=255)
    multicast_interval_ms: int = key(500, "Time between two announcements.", minimum=50, maximum=60_000)
    multicast_interface: str = key("0.0.0.0", "Address of the interface to announce on.", minimum=7)  # noqa: S104
    heartbeat_interval_ms: int = key(
        100, "Time between two pings to the peer over the management channel.", minimum=10, maximum=10_000
    )
    failure_timeout_ms: int = key(
        1_000,
        "Silence after which the peer is suspected; at least three heartbeats. A closed connection is noticed at once.",
        minimum=50,
        maximum=120_000,
    )
    cold_start_wait_ms: int = key(
        3_000,
        "How long a starting node that may take over waits for the active to appear.",
        minimum=50,
        maximum=600_000,
    )
    slow_peer_timeout_ms: int = key(
        2_000,
        "How long a passive may hold up commits before it is put out of the synced set.",
        minimum=100,
        maximum=600_000,
    )
    slow_peer: str = key(
        "solo",
        "What then: `solo` puts the passive out and goes on alone; `block` waits for it however long it takes, so that "
        "slowness never leaves events on one disk, and clients feel it. One that is gone is put out either way.",
        choices=SLOW_PEER_POLICIES,
    )
    stuck_loop_ms: int = key(
        2_000,
        "An event loop that has not turned for this long is told as `loop_stuck`, with the line it stands at.",
        minimum=100,
        maximum=600_000,
    )
    stuck_loop_exit_ms: int = key(
        20_000,
        "When it has not turned for this long, the process ends with status 70 for its supervisor to start anew; the "
        "peer has taken over long before. 0: never.",
        minimum=0,
        maximum=3_600_000,
    )
    stuck_engine_ms: int = key(
        30_000,
        "An engine that has been at one entry for this long is stuck: if the other node is well, this one ends with "
        "status 70 and the other goes on. More than the longest entry and the compilation of a plan take; 0: never.",
        minimum=0,
        maximum=3_600_000,
    )
    suspect_trial_ms: int = key(
        10_000,
        "What the last active may have died of is tried in a child process first; a child that gets nowhere with this "
        "much processor time (whole seconds, rounded up; ten times as much if it waits) hangs, and the event is left "
        "out. More than the longest entry takes.",
        minimum=50,
        maximum=600_000,
    )


@dataclass(frozen=True, slots=True)
class ManagementSection:
    """The control channel: membership, election, state transfer."""

    host: str = key("127.0.0.1", "Address to bind.", minimum=1)
    port: int = key(10005, "Port to bind.", minimum=1, maximum=PORT_MAX)
    advertised_host: str = key("", "Address announced to others; empty: `host`.")
    advertised_port: int = key(0, "Port announced to others; 0: `port`.", minimum=0, maximum=PORT_MAX)
    reconnection_interval_ms: int = key(
        1_000,
        "Longest wait between two attempts to reach the peer; the first ones come after 20 ms.",
        minimum=20,
        maximum=60_000,
    )
    connect_timeout_ms: int = key(
        2_000, "Time allowed for a connection and its handshake.", minimum=100, maximum=60_000
    )
    allow_plaintext: bool = key(
        False, "Listen without TLS on an address beyond loopback; a warning says so at each start."
    )


@dataclass(frozen=True, slots=True)
class EventSyncSection:
    """The data channel: the replicated log."""

    host: str = key("127.0.0.1", "Address to bind.", minimum=1)
    port: int = key(11224, "Port to bind.", minimum=1, maximum=PORT_MAX)
    advertised_host: str = key("", "Address announced to others; empty: `host`.")
    advertised_port: int = key(0, "Port announced to others; 0: `port`.", minimum=0, maximum=PORT_MAX)
    send_buffer_bytes: int = key(
        5 * MIB, "Send and receive buffer asked of the operating system.", minimum=65_536, maximum=256 * MIB
    )
    queue_bytes_max: int = key(
        256 * MIB,
        "Bytes waiting to be sent at which the link is given up as stalled.",
        minimum=4 * MIB,
        maximum=4096 * MIB,
    )
    allow_plaintext: bool = key(
        False, "Listen without TLS on an address beyond loopback; a warning says so at each start."
    )


@dataclass(frozen=True, slots=True)
class PersistenceSection:
    """What is kept on this node's own disk: the log and the snapshots."""

    location: str = key("var/cep_persistence", "Directory of the log and the snapshots; one per node.", minimum=1)
    interval_s: int = key(
        60,
        "Time between two snapshots; 0: only on demand and at an orderly stop. A node that starts replays what came "
        "after the newest one: if that is more than 1,000 entries, one is due sooner, as long as snapshots take no "
        "more than a twentieth of the time.",
        minimum=0,
        maximum=604_800,
    )
    interval_bytes: int = key(
        1024 * MIB, "A snapshot is also due when the log grew by this much.", minimum=MIB, maximum=1024 * 1024 * MIB
    )
    log_bytes_max: int = key(
        0,
        "How much of the log may be in no snapshot, because none can be saved: the active takes nothing more from "
        "clients then until one is. 0: as much as the disk takes. From four times `interval_bytes` on it is said as an "
        "error either way.",
        minimum=0,
        maximum=1024 * 1024 * MIB,
    )
    keep: int = key(2, "Snapshots kept.", minimum=1, maximum=1_000)
    durability: str = key(
        "replicated",
        "`replicated`: an entry is committed when each member of the synced set has handed it to its operating "
        "system; `disk`: when each has it on disk.",
        choices=("replicated", "disk"),
    )
    fsync: str = key(
        "interval",
        "When the log is flushed to disk: `off` leaves it to the operating system, `interval`, or `every` write. "
        '`durability = "disk"` needs `every`.',
        choices=("off", "interval", "every"),
    )
    fsync_interval_ms: int = key(
        1_000, 'Time between two flushes with `fsync = "interval"`.', minimum=10, maximum=60_000
    )
    segment_bytes: int = key(
        16 * MIB,
        "Size at which the log starts a new segment file; a start reads whole segments.",
        minimum=MIB,
        maximum=4096 * MIB,
    )


@dataclass(frozen=True, slots=True)
class DatasourceSection:
    """A database that other sections refer to by name: `[datasources.NAME]`."""

    url: str = required_key(
        "SQLAlchemy URL: `mysql+aiomysql://user:${env:DB_PASSWORD}@host/db` or `sqlite+aiosqlite:///path`.",
        minimum=1,
        secret=True,
    )
    connect_timeout_ms: int = key(3_000, "Time allowed to connect.", minimum=100, maximum=60_000)
    lock_wait_s: int = key(
        1, "How long a statement waits for a lock that another connection holds.", minimum=1, maximum=50
    )
    tls: str = key(
        "auto",
        "`on`: encrypted, and the server's certificate must name its host and be of `tls_ca`; `off`; `auto`: `on` if "
        "the URL or `tls_ca` names an authority. Only for MySQL and MariaDB.",
        choices=("auto", "on", "off"),
    )
    tls_ca: str = key("", "File (PEM) of the authorities trusted; empty: those of the system.")
    tls_certificate: str = key("", "File (PEM) of the certificate shown to the server, where it asks for one.")
    tls_key: str = key("", "File (PEM) of its private key.")
    allow_plaintext: bool = key(
        False, "Ask a server beyond loopback without TLS; a warning says so at each start. Only for MySQL and MariaDB."
    )


@dataclass(frozen=True, slots=True)
class WitnessSection:
    """The third vote: one row in a database or at an arbiter, changed only by compare-and-set."""

    datasource: str = key(
        "",
        "Datasource that holds the row; empty, and no `arbiter`: an SQLite file `var/<domain>/witness.db`, for two "
        "nodes on one host.",
    )
    arbiter: str = key(
        "",
        "In place of a database: where `python -m eiha.witness` listens, as `tls://host:port`, or `tcp://host:port` "
        "without encryption; the same on both nodes.",
    )
    secret: str = key(
        "", "Shared with the arbiter, which knows no other secret; empty: `cluster.secret`.", minimum=12, secret=True
    )
    allow_plaintext: bool = key(False, "Ask an arbiter beyond loopback without TLS; a warning says so at each start.")
    timeout_ms: int = key(2_000, "Time allowed for one read or change.", minimum=50, maximum=60_000)


@dataclass(frozen=True, slots=True)
class HttpSection:
    """HTTP: JSON events, health, metrics, status and administrative actions."""

    host: str = key("127.0.0.1", "Address to bind.", minimum=1)
    port: int = key(9763, "Port to bind.", minimum=1, maximum=PORT_MAX)
    advertised_host: str = key("", "Address announced to others; empty: `host`.")
    advertised_port: int = key(0, "Port announced to others; 0: `port`.", minimum=0, maximum=PORT_MAX)
    body_bytes_max: int = key(16 * MIB, "Largest request body accepted.", minimum=1_024, maximum=1024 * MIB)
    bodies_bytes_max: int = key(
        256 * MIB,
        "Bodies of all requests under way together; a request above is refused with 503.",
        minimum=MIB,
        maximum=16_384 * MIB,
    )
    request_timeout_ms: int = key(
        30_000, "Time allowed for a request to arrive, headers and body.", minimum=100, maximum=600_000
    )
    connections_max: int = key(4_096, "Connections at which further ones are closed.", minimum=1, maximum=1_000_000)
    connections_per_address_max: int = key(
        1_024, "The same bound for the connections of one address; 0: none.", minimum=0, maximum=1_000_000
    )
    connections_per_s_max: int = key(
        1_000, "New connections a second that one address may make; 0: no bound.", minimum=0, maximum=1_000_000
    )
    allow_plaintext: bool = key(
        False, "Listen without TLS on an address beyond loopback; a warning says so at each start."
    )


@dataclass(frozen=True, slots=True)
class IngestSection:
    """TCP ingest of the native clients, and the bounds of everything that waits."""

    host: str = key("127.0.0.1", "Address to bind.", minimum=1)
    port: int = key(11225, "Port to bind.", minimum=1, maximum=PORT_MAX)
    advertised_host: str = key("", "Address announced to others; empty: `host`.")
    advertised_port: int = key(0, "Port announced to others; 0: `port`.", minimum=0, maximum=PORT_MAX)
    token: str = key("", "What clients must show when they connect; empty: nothing.", secret=True)
    connections_max: int = key(
        4_096, "Connected clients at which further ones are refused.", minimum=1, maximum=1_000_000
    )
    connections_per_address_max: int = key(
        2_048, "The same bound for the connections of one address; 0: none.", minimum=0, maximum=1_000_000
    )
    connections_per_s_max: int = key(
        1_000, "New connections a second that one address may make; 0: no bound.", minimum=0, maximum=1_000_000
    )
    receive_bytes_max: int = key(
        512 * MIB,
        "Bytes of unfinished messages of all clients together; above, the client whose message is unfinished longest "
        "is closed.",
        minimum=32 * MIB,
        maximum=16_384 * MIB,
    )
    client_events_per_s: int = key(
        0,
        "Events a second taken from one client (the certificate it shows, else its address), TCP and HTTP together: "
        "above, TCP is read later and HTTP answers 429; 0: no bound.",
        minimum=0,
        maximum=1_000_000_000,
    )
    client_bytes_per_s: int = key(0, "The same for bytes; 0: no bound.", minimum=0, maximum=1_000_000_000_000)
    allow_plaintext: bool = key(
        False, "Listen without TLS on an address beyond loopback; a warning says so at each start."
    )
    credit_rows: int = key(2_000_000, "Rows one client may have unacknowledged.", minimum=1_000, maximum=1_000_000_000)
    credit_bytes: int = key(64 * MIB, "Bytes one client may have unacknowledged.", minimum=MIB, maximum=4096 * MIB)
    queue_publications_max: int = key(
        200_000,
        "Publications that wait for the log at which receivers stop reading.",
        minimum=1_000,
        maximum=100_000_000,
    )
    queue_bytes_max: int = key(64 * MIB, "The same bound in bytes.", minimum=MIB, maximum=16_384 * MIB)


@dataclass(frozen=True, slots=True)
class AnalyticsSection:
    """Execution plans and the stores their streams go to."""

    plans: str = key(
        "",
        "Directory of `*.siddhi` plans. Those that the cluster has not are deployed when it starts; one that it has "
        "stays as it was deployed last, and `plan_file_differs` says if its file has another text.",
    )
    event_store: str = key("", "Datasource of the event store; empty: an SQLite file `var/<domain>/event_store.db`.")
    processed_store: str = key(
        "", "Datasource of the processed-data store; empty: an SQLite file `var/<domain>/processed_store.db`."
    )
    error_store: str = key(
        "",
        "Datasource of the error store, which keeps events that plans could not take; empty: that of the "
        "processed-data store.",
    )
    event_table_prefix: str = key("", "Put before the table names of the event store; empty: `events_`.", maximum=24)
    processed_table_prefix: str = key(
        "", "Put before the table names of the processed-data store; empty: nothing.", maximum=24
    )
    outbox_bytes_max: int = key(
        512 * MIB,
        "Outputs waiting for a store at which the engine pauses, and soon the clients.",
        minimum=MIB,
        maximum=16_384 * MIB,
    )
    digest_interval_entries: int = key(
        1_024,
        "Both nodes compare their state each time the log grew by this many entries; the same on both.",
        minimum=1,
        maximum=10_000_000,
    )


@dataclass(frozen=True, slots=True)
class TlsSection:
    """TLS on all four ports, and when this node dials the other one or an arbiter. Certificates are files (PEM), read
    at the start and again at SIGHUP; connections that are open stay. Without a certificate the ports are not encrypted.
    """

    certificate: str = key(
        "", "File of this node's certificate, with the chain to its authority; names the node and its hosts."
    )
    private_key: str = key("", "File of its private key, without a password; only the node's user may read it.")
    ca: str = key("", "File of the authorities of members, clients, arbiter: best one of the cluster's own.")
    client_auth: str = key(
        "none",
        "Whether clients on the ingest and HTTP ports must show a certificate of `ca`: `none` asks for none, "
        "`optional` refuses a wrong one, `required` also none at all. Members always must.",
        choices=("none", "optional", "required"),
    )
    minimum_version: str = key("1.3", "Lowest TLS version accepted.", choices=("1.2", "1.3"))
    expiry_warning_days: int = key(
        30, "Days before the certificate's end from which a warning says so each day.", minimum=1, maximum=365
    )


@dataclass(frozen=True, slots=True)
class TlsPortSection:
    """What is different on one port; NAME is `management`, `event_sync`, `http` or `ingest`. Empty: as in `[tls]`."""

    tls: str = key("on", "`off`: this port is not encrypted, although there is a certificate.", choices=("on", "off"))
    certificate: str = key("", "File of the certificate shown on this port.")
    private_key: str = key("", "File of its private key.")
    ca: str = key("", "File of the authorities of those who connect to this port.")
    client_auth: str = key("", "As `tls.client_auth`, for this port.", choices=("", "none", "optional", "required"))


@dataclass(frozen=True, slots=True)
class LogSection:
    """What the node says, and how."""

    level: str = key("info", "Least level written.", choices=("debug", "info", "warning", "error"))
    format: str = key(
        "auto", "`json` lines, `pretty` text, or `auto`: pretty on a terminal.", choices=("auto", "json", "pretty")
    )


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The whole configuration, valid in itself. Made by ``config_reader.read_config`` only.

    ``source``: the file it was read from.
    """

    source: str
    cluster: ClusterSection
    management: ManagementSection = field(default_factory=ManagementSection)
    event_sync: EventSyncSection = field(default_factory=EventSyncSection)
    persistence: PersistenceSection = field(default_factory=PersistenceSection)
    datasources: tuple[tuple[str, DatasourceSection], ...] = ()
    witness: WitnessSection = field(default_factory=WitnessSection)
    http: HttpSection = field(default_factory=HttpSection)
    ingest: IngestSection = field(default_factory=IngestSection)
    analytics: AnalyticsSection = field(default_factory=AnalyticsSection)
    tls: TlsSection = field(default_factory=TlsSection)
    tls_ports: tuple[tuple[str, TlsPortSection], ...] = ()
    log: LogSection = field(default_factory=LogSection)

    def datasource(self, name: str, embedded: str) -> DatasourceSection:
        """The datasource called ``name``; for the empty name the SQLite file ``var/<domain>/<embedded>.db``."""
        if not name:
            return DatasourceSection(url=f"sqlite+aiosqlite:///var/{self.cluster.domain}/{embedded}.db")
        return dict(self.datasources)[name]


SECTIONS: Final[dict[str, type]] = {
    "cluster": ClusterSection,
    "management": ManagementSection,
    "event_sync": EventSyncSection,
    "persistence": PersistenceSection,
    "witness": WitnessSection,
    "http": HttpSection,
    "ingest": IngestSection,
    "analytics": AnalyticsSection,
    "tls": TlsSection,
    "log": LogSection,
}
"""The sections by name. Beside them by name: ``datasources`` and ``tls_ports``, see ``NAMED_SECTIONS``."""

NAMED_SECTIONS: Final[dict[str, type]] = {"datasources": DatasourceSection, "tls_ports": TlsPortSection}
"""Sections of which there may be several, each with a name of its own: ``[datasources.NAME]``."""

LISTENING_SECTIONS: Final = ("management", "event_sync", "http", "ingest")
"""The sections that have a port."""
