"""Every bound of the wire, with the reason for its value. What happens at a bound stands beside it.

The order of sizes is an invariant, asserted below: a publication fits an entry, an entry fits a peer frame.
"""

from __future__ import annotations

from typing import Final

PUBLICATION_BYTES_MAX: Final = 16 << 20
"""Payload bytes of one publication. A million rows of two doubles; refused (``MalformedFrame``, HTTP 413) above."""

PUBLICATION_ROWS_MAX: Final = 1_000_000
"""Rows of one publication; the bound of a payload (``events.wire.ROWS_MAX``). Refused above."""

CLIENT_FRAME_BYTES_MAX: Final = PUBLICATION_BYTES_MAX + (64 << 10)
"""Body of a frame from a client: a publication and its envelope. The connection is closed above."""

ENTRY_BYTES_MAX: Final = 32 << 20
"""Encoded log entry. The sequencer closes an entry before it would pass this; a codec refuses one above."""

PEER_FRAME_BYTES_MAX: Final = 64 << 20
"""Body of a frame between nodes: an ``Append`` of one largest entry, with room. The link is closed above."""

HANDSHAKE_FRAME_BYTES_MAX: Final = 4 << 10
"""Body of a frame before the other side is authenticated: names and nonces only, so a stranger costs nothing."""

CLIENT_HELLO_BYTES_MAX: Final = 4 << 10
"""Body of a client's first frame, before it is known who it is."""

ARRAY_ITEMS_MAX: Final = 1 << 16
"""Items of any list inside a peer or client message, and so publications of an entry and entries of an ``Append``.

msgpack makes room for as many items as a header claims, at each level of nesting: this bounds what a lie costs.
"""

SMALL_MESSAGE_ITEMS_MAX: Final = 16
"""Items of any list in a message from somebody who has not yet said, or proven, who it is."""

ROWS_MESSAGE_ITEMS_MAX: Final = 1 << 18
"""Rows of one ``PublishRows`` message. Rows cost Python objects: bigger publications belong into columns."""

NAME_LENGTH_MAX: Final = 255
"""Characters of a node, cluster, client, stream, plan or sink name: what file systems and tables take as a name."""

REASON_LENGTH_MAX: Final = 2_000
"""Characters of a reason sent to the other side; longer ones are cut when sent."""

PLAN_TEXT_LENGTH_MAX: Final = 4 << 20
"""Characters of a plan's text in a ``DeployPlan`` entry."""

STATEMENT_LENGTH_MAX: Final = 256 << 10
"""Characters of a ``TableStatement``, and of a question: it is parsed between entries. Refused above (HTTP 413)."""

QUARANTINED_RANGES_MAX: Final = 1_024
"""Ranges of rows that one ``Quarantine`` names; with more bad rows than that the whole entry is left out."""

SNAPSHOT_CHUNK_BYTES_MAX: Final = 256 << 10
"""A chunk of a snapshot, and what one ``SnapshotChunk`` carries: an event loop is busy with it for a quarter of a
millisecond, so that acknowledgements between chunks are not late. A gigabyte is 4,096 files."""

SNAPSHOT_MANIFEST_BYTES_MAX: Final = 32 << 20
"""Manifest of a snapshot, as a file and in ``SnapshotBegin``: 1.6 million chunks, at 256 KiB 400 GB of state."""

STREAMS_PER_CONNECTION_MAX: Final = 4_096
"""Streams that one client connection may have open; further ones are refused."""

WITNESS_REQUEST_BYTES_MAX: Final = 64 << 10
"""Body of a frame from a node to the arbiter: one row with the longest names and reason. Closed above."""

WITNESS_ANSWER_BYTES_MAX: Final = 4 << 20
"""Body of a frame from the arbiter to a node: a page of history of the longest rows. Closed above."""

WITNESS_HISTORY_PAGE: Final = 64
"""Changes told in one answer; older ones are asked for by the lowest version of it."""

WITNESS_REQUESTS_MAX: Final = 16
"""Requests that one connection to the arbiter may have unanswered; a node has one. Closed above."""

SWAP_NAME_BYTES: Final = 16
"""Random bytes that name a swap."""

NONCE_BYTES: Final = 32
"""Random bytes that each side of a handshake contributes."""

NUMBER_MAX: Final = (1 << 63) - 1
"""Largest number of any kind: what a database's BIGINT and NumPy's int64 hold."""

assert PUBLICATION_BYTES_MAX < CLIENT_FRAME_BYTES_MAX < ENTRY_BYTES_MAX < PEER_FRAME_BYTES_MAX
assert WITNESS_HISTORY_PAGE * WITNESS_REQUEST_BYTES_MAX <= WITNESS_ANSWER_BYTES_MAX
