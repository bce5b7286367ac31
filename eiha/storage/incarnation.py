"""Which disk, and which boot, this is: the witness names a node by it (DESIGN D3, rule R7).

Unsynced pages survive a killed process but not a lost machine. So under ``replicated`` the identity changes with each
boot; under ``disk``, where everything acknowledged was flushed, it is the disk's alone.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final, Literal

from eiha.errors import CorruptFile
from eiha.kernel.ids import Incarnation
from eiha.storage.durable_files import make_directory, replace_durably, storage_error, sync_directory

Durability = Literal["replicated", "disk"]

IDENTITY_FILE: Final = "disk-id"
BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")


def read_incarnation(log_directory: Path, durability: Durability, *, boot_id_file: Path = BOOT_ID_FILE) -> Incarnation:
    """The node's identity, made at the first start.

    The file lies beside the log: whoever moves or deletes the log moves or deletes the identity with it, and so
    cannot pass off an empty log as the one that the witness trusts.

    Raises:
        CorruptFile: the identity file does not hold an identity.
        StorageError: it cannot be read or written.
    """
    path = log_directory / IDENTITY_FILE
    make_directory(log_directory)
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        text = str(uuid.uuid4())
        replace_durably(path, [f"{text}\n".encode()])
    except UnicodeDecodeError as cause:
        raise _corrupt(path) from cause
    except OSError as cause:
        raise storage_error(cause, "cannot read", path) from cause
    try:
        disk = uuid.UUID(text)
    except ValueError as cause:
        raise _corrupt(path) from cause
    return Incarnation(str(disk) if durability == "disk" else f"{disk}@{_boot(boot_id_file)}")


def forget_incarnation(log_directory: Path) -> None:
    """What the log beside the identity held is not complete any more: the next start is that of a new disk.

    Raises:
        StorageError: the file cannot be removed.
    """
    path = log_directory / IDENTITY_FILE
    try:
        path.unlink(missing_ok=True)
        sync_directory(log_directory)
    except OSError as cause:
        raise storage_error(cause, "cannot remove", path) from cause


def _boot(path: Path) -> str:
    """The kernel's boot id. Where there is none, every process counts as a boot: safe, at the price of a join."""
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def _corrupt(path: Path) -> CorruptFile:
    return CorruptFile(
        f"{path} does not hold a disk identity. Move the directory {path.parent} away and start again: the node "
        "joins as a new one and gets everything from its peer"
    )
