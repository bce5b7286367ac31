"""From the changes on disk to the rows; and what an operator does with the file: look at it, remove a row."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from eiha.errors import CorruptFile, StorageError
from eiha.ha.arbiter import Arbiter
from eiha.protocol.limits import SWAP_NAME_BYTES
from eiha.protocol.witness_messages import RowChange
from eiha.storage.durable_files import storage_error
from eiha.storage.witness_file import FILE, WitnessFile, recover_changes
from eiha.witness.config import ArbiterConfig


def recover(arbiter: Arbiter, changes: Iterable[RowChange], path: Path) -> None:
    """Bring ``arbiter`` to where the file at ``path`` ends. Raises ``CorruptFile``: a change follows no other."""
    for change in changes:
        if not arbiter.fits(change):
            raise CorruptFile(
                f"{path} is damaged: a change of cluster {change.cluster!r} replaces version {change.replaces}, which "
                "the change before it did not make. Was the file edited, or put together from two?"
            )
        arbiter.apply(change)


def history_lines(config: ArbiterConfig) -> list[str]:
    """Every change that the file holds, one a line. Harmless beside an arbiter that runs.

    Raises:
        CorruptFile: the file is damaged.
        StorageError: it cannot be read.
    """
    path = Path(config.arbiter.directory) / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise StorageError(f"{path} is not there: no arbiter was started with this configuration yet") from None
    except OSError as cause:
        raise storage_error(cause, "cannot read", path) from cause
    changes, _ = recover_changes(data, path)
    return [_line(change) for change in changes]


def remove_row(config: ArbiterConfig, cluster: str) -> bool:
    """Remove the row of ``cluster``, for a cluster that is started anew; False: there is none.

    Raises:
        DirectoryInUse: the arbiter runs; it must be stopped first.
        CorruptFile: the file is damaged.
        StorageError: it cannot be read or written.
    """
    file = WitnessFile(Path(config.arbiter.directory))
    try:
        arbiter = Arbiter(config.arbiter.history_changes)
        recover(arbiter, file.open(), file.path)
        removal = arbiter.removal(cluster, secrets.token_bytes(SWAP_NAME_BYTES), time.time_ns() // 1_000_000)
        if removal is None:
            return False
        file.append(removal)
        return True
    finally:
        file.close()


def _line(change: RowChange) -> str:
    when = datetime.fromtimestamp(change.changed_at_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    row = change.row
    if row is None:
        return f"{when} {change.cluster}: version {change.replaces} removed by an operator"
    synced = ", ".join(member.node for member in row.synced)
    return (
        f"{when} {change.cluster}: version {row.version}, epoch {row.epoch}, active {row.active}, synced {synced}: "
        f"{row.reason}"
    )
