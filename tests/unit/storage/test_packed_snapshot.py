from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import CorruptFile
from eiha.kernel.ids import Epoch, LogPosition, Sequence, WallMs
from eiha.ports import SnapshotCut
from eiha.protocol.snapshot_format import SnapshotManifest, StateWriter
from eiha.storage.packed_snapshot import pack_snapshot, read_snapshot_file
from eiha.storage.snapshot_files import SnapshotFiles

POSITION = LogPosition(Sequence(9), Epoch(2))


@pytest.fixture
def files(tmp_path: Path) -> SnapshotFiles:
    return SnapshotFiles(tmp_path / "node", lambda: WallMs(1))


@pytest.fixture
def manifest(files: SnapshotFiles) -> SnapshotManifest:
    def write_engine(writer: StateWriter) -> None:
        for part in (b"one", b"two", b"one"):
            writer.write(part)
            writer.cut()

    return files.adopt(files.write(SnapshotCut(POSITION, ()), b"member", write_engine))


def test_a_packed_snapshot_needs_no_other_file(
    tmp_path: Path, files: SnapshotFiles, manifest: SnapshotManifest
) -> None:
    path = tmp_path / "kept" / "mine"
    pack_snapshot(path, manifest, files.read_chunk)
    found, engine = read_snapshot_file(path)
    assert found == manifest
    assert engine.read(engine.remaining) == b"onetwoone"


def test_a_snapshot_of_a_nodes_directory_is_read_from_its_chunks(tmp_path: Path, manifest: SnapshotManifest) -> None:
    found, engine = read_snapshot_file(tmp_path / "node/-1234/node/1_node")
    assert found == manifest
    assert engine.read(engine.remaining) == b"onetwoone"


def test_no_flipped_byte_of_what_is_read_and_no_cut_goes_unnoticed(
    tmp_path: Path, files: SnapshotFiles, manifest: SnapshotManifest
) -> None:
    path = tmp_path / "packed"
    pack_snapshot(path, manifest, files.read_chunk)
    whole = path.read_bytes()
    member = slice(len(whole) - manifest.bytes, len(whole) - manifest.bytes + len(b"member"))

    def read() -> None:
        _, engine = read_snapshot_file(path)
        engine.read(engine.remaining)

    for offset in set(range(len(whole))) - set(range(*member.indices(len(whole)))):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(CorruptFile):
            read()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFile):
            read()


def test_what_cannot_be_packed_whole_is_not_there(
    tmp_path: Path, files: SnapshotFiles, manifest: SnapshotManifest
) -> None:
    for path in (tmp_path / "node/-1234/chunks").rglob("*"):
        if path.is_file() and path.read_bytes() == b"two":
            path.unlink()
    with pytest.raises(CorruptFile):
        pack_snapshot(tmp_path / "packed", manifest, files.read_chunk)
    assert not any(tmp_path.glob("packed*"))
