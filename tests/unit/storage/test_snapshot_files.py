from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from eiha.errors import CorruptFile, StoreUnavailable
from eiha.kernel.ids import Epoch, LogPosition, Sequence, WallMs
from eiha.ports import SnapshotCut, Written
from eiha.protocol.snapshot_format import SnapshotManifest, StateWriter, chunk_name
from eiha.storage.snapshot_files import SnapshotFiles


def at(sequence: int, epoch: int = 1) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(epoch))


def ticking(start: int = 1000) -> Callable[[], WallMs]:
    times = iter(range(start, start + 1000))
    return lambda: WallMs(next(times))


def write(files: SnapshotFiles, position: LogPosition, *state: bytes) -> Written:
    def write_engine(writer: StateWriter) -> None:
        for part in state:
            writer.write(part)
            writer.cut()

    return files.write(SnapshotCut(position, ((Epoch(1), Sequence(1)),)), b"member", write_engine)


def save(files: SnapshotFiles, *positions: LogPosition) -> None:
    for position in positions:
        files.adopt(write(files, position, b"the same", b"state of %d" % position.sequence))


def content(files: SnapshotFiles, manifest: SnapshotManifest) -> bytes:
    _, engine = files.contents(manifest)
    return engine.read(engine.remaining)


def chunk_files(root: Path) -> dict[str, Path]:
    return {path.name: path for path in (root / "-1234/chunks").rglob("*") if path.is_file()}


def path_of(root: Path, data: bytes) -> Path:
    return chunk_files(root)[chunk_name(data).hex()]


def names(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in (root / "-1234/node").glob("*"))


def test_the_newest_comes_back_whole_with_its_facts(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    assert files.newest() is None
    save(files, at(5), at(9))
    found = files.newest()
    assert found is not None
    assert found.position == at(9)
    assert found.epoch_starts == ((Epoch(1), Sequence(1)),)
    assert files.contents(found)[0] == b"member"
    assert content(files, found) == b"the samestate of 9"


def test_files_are_named_as_the_predecessors_did_and_the_newest_two_are_kept(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(1), at(2), at(3), at(4))
    assert names(tmp_path) == ["-1234/node/1002_node", "-1234/node/1003_node"]


def test_a_clock_that_jumped_back_does_not_make_an_old_snapshot_the_newest(tmp_path: Path) -> None:
    times = iter([9000, 100, 100])
    files = SnapshotFiles(tmp_path, lambda: WallMs(next(times)))
    save(files, at(5), at(9), at(12))
    found = SnapshotFiles(tmp_path, ticking()).newest()
    assert found is not None
    assert found.position == at(12)


def test_a_later_epoch_wins_over_a_longer_log(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(1000, epoch=3), at(500, epoch=4))
    found = files.newest()
    assert found is not None
    assert found.position == at(500, 4)


@pytest.mark.parametrize("cut", [0, 1, 40, 60, 100, -1])
def test_a_truncated_newest_falls_back_to_the_one_before_and_is_reported(tmp_path: Path, cut: int) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    newest = tmp_path / "-1234/node/1001_node"
    whole = newest.read_bytes()
    newest.write_bytes(whole[:cut])
    files = SnapshotFiles(tmp_path, ticking())
    found = files.newest()
    assert found is not None
    assert found.position == at(5)
    assert [d.path for d in files.damaged] == [newest]


def test_no_damaged_byte_is_ever_returned(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    newest = tmp_path / "-1234/node/1001_node"
    whole = newest.read_bytes()
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x40
        newest.write_bytes(damaged)
        files = SnapshotFiles(tmp_path, ticking())
        found = files.newest()
        assert found is not None
        assert found.position == at(5), offset
        assert len(files.damaged) == 1


def test_bytes_after_the_end_are_damage_too(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    newest = tmp_path / "-1234/node/1001_node"
    newest.write_bytes(newest.read_bytes() + b"x")
    found = SnapshotFiles(tmp_path, ticking()).newest()
    assert found is not None
    assert found.position == at(5)


def test_a_damaged_file_does_not_push_a_good_one_out(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    (tmp_path / "-1234/node/1001_node").write_bytes(b"gone")
    files = SnapshotFiles(tmp_path, ticking(2000))
    save(files, at(12))
    (tmp_path / "-1234/node/2000_node").write_bytes(b"gone too")
    found = files.newest()
    assert found is not None
    assert found.position == at(5)


def test_a_full_disk_leaves_the_older_snapshots_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(5))
    before = chunk_files(tmp_path)

    def half_then_full(descriptor: int, data: memoryview) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("eiha.storage.chunk_files.write_fully", half_then_full)
    with pytest.raises(StoreUnavailable):
        save(files, at(9))
    assert names(tmp_path) == ["-1234/node/1000_node"]
    assert chunk_files(tmp_path) == before


def test_what_is_written_does_not_count_before_it_is_adopted(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    written = write(files, at(5), b"state")
    assert files.newest() is None
    assert files.adopt(written).position == at(5)
    assert files.newest() is not None


def test_parts_that_two_snapshots_share_are_one_file_and_only_what_is_new_is_written(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    first = write(files, at(5), b"a" * 1000, b"b" * 10)
    files.adopt(first)
    second = write(files, at(6), b"a" * 1000, b"c" * 10)
    assert (first.bytes_written, second.bytes_written, second.bytes_total) == (1016, 10, 1016)


def test_chunks_that_no_kept_snapshot_needs_go_with_the_last_that_did(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking(), keep=2)
    save(files, at(1), at(2), at(3))
    expected = {chunk_name(data).hex() for data in (b"member", b"the same", b"state of 2", b"state of 3")}
    assert set(chunk_files(tmp_path)) == expected


def test_a_damaged_chunk_makes_the_snapshots_that_have_it_be_passed_over(tmp_path: Path) -> None:
    save(SnapshotFiles(tmp_path, ticking()), at(5), at(9))
    for damage in (b"state of !", b"state", b""):
        path_of(tmp_path, b"state of 9").write_bytes(damage)
        files = SnapshotFiles(tmp_path, ticking())
        found = files.newest()
        assert found is not None
        assert found.position == at(5)
        assert "checksum" in files.damaged[0].reason
    path_of(tmp_path, b"state of 9").unlink()
    found = SnapshotFiles(tmp_path, ticking()).newest()
    assert found is not None
    assert found.position == at(5)


def test_a_damaged_chunk_is_mended_by_the_next_snapshot_that_has_it(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(5))
    path_of(tmp_path, b"the same").write_bytes(b"the sane")
    save(files, at(9))
    assert files.newest() is not None
    assert content(files, files.newest() or pytest.fail("none")) == b"the samestate of 9"


def received(files: SnapshotFiles, manifest: SnapshotManifest, contents: dict[bytes, bytes]) -> list[bytes]:
    """What had to be sent."""
    sent: list[bytes] = []
    for index in files.lacking(manifest):
        chunk = manifest.chunks[index]
        sent.append(contents[chunk.name])
        assert files.put_chunk(chunk, contents[chunk.name])
    files.save(manifest)
    return sent


def test_a_joiner_is_sent_what_it_lacks_and_keeps_that_snapshot_alone(tmp_path: Path) -> None:
    active, joiner = SnapshotFiles(tmp_path / "a", ticking()), SnapshotFiles(tmp_path / "b", ticking())
    save(joiner, at(5), at(99))
    manifest = active.adopt(write(active, at(9), b"the same", b"new", b"new"))
    contents: dict[bytes, bytes] = {chunk_name(data): data for data in (b"member", b"the same", b"new")}
    assert received(joiner, manifest, contents) == [b"new"]
    assert joiner.newest() == manifest
    assert joiner.positions() == (at(9),)
    assert content(joiner, manifest) == b"the samenewnew"


def test_an_interrupted_transfer_goes_on_from_what_came(tmp_path: Path) -> None:
    active = SnapshotFiles(tmp_path / "a", ticking())
    manifest = active.adopt(write(active, at(9), b"one", b"two"))
    joiner = SnapshotFiles(tmp_path / "b", ticking())
    first, second, third = (manifest.chunks[index] for index in joiner.lacking(manifest))
    assert joiner.put_chunk(first, active.read_chunk(first))
    assert not joiner.put_chunk(second, b"something else")
    assert joiner.put_chunk(second, active.read_chunk(second))
    with pytest.raises(CorruptFile, match="1 chunks"):
        joiner.save(manifest)
    restarted = SnapshotFiles(tmp_path / "b", ticking())
    assert restarted.remove_unfinished() == 0
    assert restarted.lacking(manifest) == (2,)
    assert restarted.put_chunk(third, active.read_chunk(third))
    restarted.save(manifest)
    assert restarted.newest() == manifest


def test_a_snapshot_of_its_own_does_not_delete_what_is_coming(tmp_path: Path) -> None:
    active, joiner = SnapshotFiles(tmp_path / "a", ticking()), SnapshotFiles(tmp_path / "b", ticking())
    manifest = active.adopt(write(active, at(9), b"one", b"two"))
    for index in joiner.lacking(manifest):
        joiner.put_chunk(manifest.chunks[index], active.read_chunk(manifest.chunks[index]))
    save(joiner, at(5))
    joiner.save(manifest)
    assert joiner.newest() == manifest


def test_what_a_child_left_half_written_is_deleted(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(5))
    node, chunks = tmp_path / "-1234/node", path_of(tmp_path, b"the same").parent
    for path in (node / "77.tmp", chunks / "ab.77-1.tmp", chunks / "ab.78-1.tmp"):
        path.write_bytes(b"half")
    files.discard(77)
    assert [path.name for path in tmp_path.rglob("*.tmp")] == ["ab.78-1.tmp"]


def test_what_a_crash_left_half_written_is_ignored_and_cleared(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(5))
    leftover = tmp_path / "-1234/node/999.tmp"
    leftover.write_bytes(b"half a manifest")
    found = files.newest()
    assert found is not None
    assert found.position == at(5)
    assert files.remove_unfinished() == 1
    assert not leftover.exists()


def test_the_positions_kept_are_told_newest_first(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, ticking())
    save(files, at(1), at(2), at(3))
    assert files.positions() == (at(3), at(2))
