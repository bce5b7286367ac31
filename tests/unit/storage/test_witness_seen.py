from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import CorruptFile
from eiha.storage.witness_seen import WitnessSeen


def test_the_highest_version_survives_a_restart(tmp_path: Path) -> None:
    seen = WitnessSeen(tmp_path)
    assert seen.version == 0
    seen.remember(7)
    seen.remember(3)
    assert seen.version == 7
    assert WitnessSeen(tmp_path).version == 7


def test_damage_is_told_and_not_read_as_a_lower_version(tmp_path: Path) -> None:
    WitnessSeen(tmp_path).remember(1234)
    path = tmp_path / "witness-seen"
    whole = path.read_bytes()
    for offset in range(len(whole) - 1):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x01
        path.write_bytes(damaged)
        with pytest.raises(CorruptFile, match="witness-seen"):
            WitnessSeen(tmp_path)
