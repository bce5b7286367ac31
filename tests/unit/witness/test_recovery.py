"""From the file to the rows, and what an operator does with the file while no arbiter runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eiha.errors import ConfigurationError, CorruptFile, StorageError
from eiha.ha.arbiter import Arbiter
from eiha.kernel.ids import Epoch, Incarnation, NodeId
from eiha.protocol.peer_messages import PeerIdentity
from eiha.protocol.witness_messages import RowChange, WitnessRow
from eiha.storage.witness_file import WitnessFile
from eiha.witness.config import ArbiterConfig, ArbiterSection
from eiha.witness.recovery import history_lines, put_row, recover, remove_row, shown_row

A = PeerIdentity(NodeId("nöde1"), Incarnation("disk"))


def row(version: int) -> WitnessRow:
    return WitnessRow("c", Epoch(version), A.node, A.incarnation, (A,), version, f"v{version}")


def change(version: int) -> RowChange:
    return RowChange("c", version.to_bytes(16, "big"), version - 1 or None, 1_700_000_000_000, row(version))


@pytest.fixture
def config(tmp_path: Path) -> ArbiterConfig:
    return ArbiterConfig("witness.toml", ArbiterSection(directory=str(tmp_path / "data")))


def held(config: ArbiterConfig) -> WitnessRow | None:
    file = WitnessFile(Path(config.arbiter.directory))
    arbiter = Arbiter(10)
    recover(arbiter, file.open(), file.path)
    file.close()
    return arbiter.row("c")


def test_a_change_that_follows_no_other_is_damage(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="replaces version 2, which the change before it did not make"):
        recover(Arbiter(10), [change(1), change(3)], tmp_path)
    recover(Arbiter(10), [change(5), change(6)], tmp_path)  # what came before is not kept any more


def test_a_row_goes_round_from_the_history_to_put(config: ArbiterConfig) -> None:
    put_row(config, json.dumps(shown_row(row(3))))
    line = history_lines(config)[-1]
    assert remove_row(config, "c")
    assert held(config) is None
    assert put_row(config, line) == row(3)
    assert held(config) == row(3)


def test_a_row_is_only_replaced_by_a_higher_version(config: ArbiterConfig) -> None:
    put_row(config, json.dumps(shown_row(row(3))))
    for version in (2, 3):
        with pytest.raises(ConfigurationError, match="has version 3; the new one must have a higher one"):
            put_row(config, json.dumps(shown_row(row(version))))
    put_row(config, json.dumps(shown_row(row(4))))
    assert held(config) == row(4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a row is a JSON object"),
        ("[]", "a row is a JSON object"),
        ('{"cluster": "c"}', "a row is a JSON object with cluster, epoch, active"),
        (json.dumps(shown_row(replace(row(1), synced=()))), "the row.synced is empty"),
        (json.dumps(shown_row(row(1)) | {"version": "1"}), "the row.version must be a whole number"),
    ],
)
def test_what_is_no_row_is_not_put(config: ArbiterConfig, text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        put_row(config, text)
    assert not Path(config.arbiter.directory).exists()


def test_there_is_no_history_before_the_first_start(config: ArbiterConfig) -> None:
    with pytest.raises(StorageError, match="no arbiter was started with this configuration yet"):
        history_lines(config)


def test_a_row_that_is_not_there_is_not_removed(config: ArbiterConfig) -> None:
    assert not remove_row(config, "c")
