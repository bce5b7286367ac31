"""What a client can be told, with defaults that suit both one event at a time and millions a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Bounds and times of a client.

    Attributes:
        batch_rows: rows of ``publish_rows`` calls that are gathered into one publication.
        linger_s: how long gathering may wait; 0: until the end of the current turn of the event loop.
        unacked_rows_max, unacked_bytes_max: what may be unacknowledged before publishing waits. A node may allow less.
        connect_timeout_s: for one node to accept the connection and welcome the client.
        give_up_s: how long ``connect`` tries all nodes before it raises; later reconnects never give up.
        probe_s: with something unacknowledged, and nothing heard for so long, the other nodes are asked whether one of
            them is active now; if so the client moves there. Asked again after half as long again, and so on.
        silence_s: with something unacknowledged, a node that says nothing for so long is left for the next one.
        session_lost_s: how long a node may miss what was acknowledged before the client takes the session as lost.
        backoff_first_s, backoff_max_s: pauses after a round of all nodes failed; doubled, with jitter.
        follow_active: leave a passive for the active it names, which saves one hop.
        rows_on_wire: send ``publish_rows`` as rows, for the node to turn into columns, not the client.
        events_duplicated_in_cluster: send everything to every node of the list; acknowledged when one did.
        token: shown to the nodes, see ``ingest.token``.
        tls: encrypted; the nodes' certificates must name the hosts they are dialled by. Also where a ``tls_`` file is
            given.
        tls_ca: file (PEM) of the authorities trusted; empty: those of the system.
        tls_certificate, tls_key: files (PEM) of what is shown to nodes that ask for a certificate.
        tls_minimum: lowest version, ``1.2`` or ``1.3``.
    """

    batch_rows: int = 8_192
    linger_s: float = 0.0
    unacked_rows_max: int = 1_000_000
    unacked_bytes_max: int = 32 << 20
    connect_timeout_s: float = 2.0
    give_up_s: float = 10.0
    probe_s: float = 0.25
    silence_s: float = 3.0
    session_lost_s: float = 15.0
    backoff_first_s: float = 0.02
    backoff_max_s: float = 1.0
    follow_active: bool = True
    rows_on_wire: bool = False
    events_duplicated_in_cluster: bool = False
    token: str = ""
    tls: bool = False
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_minimum: str = "1.3"
