from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import CorruptFile
from eiha.storage.incarnation import read_incarnation


def boot(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "boot_id"
    path.write_text(text + "\n")
    return path


def test_the_identity_survives_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert read_incarnation(log, "replicated") == read_incarnation(log, "replicated")


def test_a_boot_is_a_new_identity_only_when_acknowledged_events_may_be_unsynced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first, disk = (read_incarnation(log, mode, boot_id_file=boot(tmp_path, "one")) for mode in ("replicated", "disk"))
    second, same = (read_incarnation(log, mode, boot_id_file=boot(tmp_path, "two")) for mode in ("replicated", "disk"))
    assert first != second
    assert disk == same


def test_a_wiped_disk_is_a_new_identity(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = read_incarnation(log, "disk")
    log.rename(tmp_path / "aside")
    assert read_incarnation(log, "disk") != before


def test_without_a_boot_id_every_start_is_a_new_identity(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    one, two = (read_incarnation(tmp_path / "log", "replicated", boot_id_file=missing) for _ in range(2))
    assert one != two


@pytest.mark.parametrize("content", [b"", b"not an identity", b"\xff\xfe"])
def test_a_damaged_identity_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "disk-id").write_bytes(content)
    with pytest.raises(CorruptFile, match="Move the directory"):
        read_incarnation(tmp_path, "disk")
