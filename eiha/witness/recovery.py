"""From the changes on disk to the rows; and what an operator does with the file: look at it, remove or put a row."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from eiha.errors import ConfigurationError, CorruptFile, MalformedFrame, StorageError
from eiha.ha.arbiter import Arbiter
from eiha.protocol.limits import SWAP_NAME_BYTES
from eiha.protocol.witness_codec import read_row, row_parts
from eiha.protocol.witness_messages import RowChange, WitnessRow
from eiha.storage.durable_files import storage_error
from eiha.storage.witness_file import FILE, WitnessFile, recover_changes
from eiha.witness.config import ArbiterConfig

ROW_FIELDS: Final = tuple(field.name for field in fields(WitnessRow))
"""The parts of a row as they are shown and given, which are the columns of the database's table, too."""


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
    """Every change that the file holds, one JSON object a line. Harmless beside an arbiter that runs.

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
    with _opened(config) as (arbiter, file):
        removal = arbiter.removal(cluster, secrets.token_bytes(SWAP_NAME_BYTES), _now_ms())
        if removal is not None:
            file.append(removal)
        return removal is not None


def put_row(config: ArbiterConfig, text: str) -> WitnessRow:
    """Put the row that ``text`` describes, one line of ``history_lines``: one that was in a database, or was lost.

    Raises:
        ConfigurationError: the text describes no row, or its version is not higher than that of the row there is.
        DirectoryInUse: the arbiter runs; it must be stopped first.
        CorruptFile: the file is damaged.
        StorageError: it cannot be read or written.
    """
    row = _parse_row(text)
    with _opened(config) as (arbiter, file):
        held = arbiter.row(row.cluster)
        if held is not None and row.version <= held.version:
            raise ConfigurationError(
                f"the row of {row.cluster!r} has version {held.version}; the new one must have a higher one, not "
                f"{row.version}"
            )
        replaces = None if held is None else held.version
        file.append(RowChange(row.cluster, secrets.token_bytes(SWAP_NAME_BYTES), replaces, _now_ms(), row))
    return row


def shown_row(row: WitnessRow) -> dict[str, object]:
    """The row as it is shown to people and given back by them."""
    return dict(zip(ROW_FIELDS, row_parts(row), strict=True))


@contextmanager
def _opened(config: ArbiterConfig) -> Iterator[tuple[Arbiter, WitnessFile]]:
    file = WitnessFile(Path(config.arbiter.directory))
    try:
        arbiter = Arbiter(config.arbiter.history_changes)
        recover(arbiter, file.open(), file.path)
        yield arbiter, file
    finally:
        file.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _parse_row(text: str) -> WitnessRow:
    try:
        found = json.loads(text)
        parts = [found[name] for name in ROW_FIELDS]
    except (ValueError, KeyError, TypeError) as cause:
        raise ConfigurationError(
            f"a row is a JSON object with {', '.join(ROW_FIELDS)}; this is none: {cause!r}"
        ) from None
    try:
        return read_row(parts, "the row")
    except MalformedFrame as cause:
        raise ConfigurationError(str(cause)) from cause


def _line(change: RowChange) -> str:
    when = datetime.fromtimestamp(change.changed_at_ms / 1_000, UTC).isoformat(timespec="milliseconds")
    row = change.row
    if row is None:
        facts: dict[str, object] = {"cluster": change.cluster, "removed_version": change.replaces}
    else:
        facts = shown_row(row)
    return json.dumps({"changed_at": when, **facts}, ensure_ascii=False)
