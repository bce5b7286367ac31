from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import CorruptFile
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, LogEntry
from eiha.storage.log_reading import read_entries
from eiha.storage.log_segments import LogSegments


def entry(sequence: int) -> LogEntry:
    return LogEntry(Epoch(1), Sequence(sequence), LogTimeMs(sequence), DeployPlan("p", "x" * 100))


@pytest.fixture
def log(tmp_path: Path) -> LogSegments:
    """Twenty entries in several segments, the last of them still open."""
    made = LogSegments(tmp_path, segment_bytes_max=500)
    made.open()
    for sequence in range(1, 21):
        made.append([entry(sequence)])
    return made


@pytest.mark.parametrize(("after", "through"), [(0, 20), (7, 8), (19, 20), (3, 17), (5, 5)])
def test_entries_are_read_beside_the_writer(log: LogSegments, after: int, through: int) -> None:
    assert len(list(log.directory.glob("*.log"))) > 3
    found = list(read_entries(log.directory, Sequence(after), Sequence(through)))
    assert found == [entry(sequence) for sequence in range(after + 1, through + 1)]


def test_what_is_not_there_is_refused(log: LogSegments) -> None:
    with pytest.raises(CorruptFile, match="ends before entry 21"):
        list(read_entries(log.directory, Sequence(18), Sequence(22)))
    log.trim_through(Sequence(15))
    with pytest.raises(CorruptFile, match="where 3 should be"):
        list(read_entries(log.directory, Sequence(2), Sequence(20)))


def test_an_unfinished_write_behind_what_is_wanted_is_passed_over(log: LogSegments) -> None:
    last = max(log.directory.glob("*.log"))
    with last.open("ab") as file:
        file.write(b"\xe1\x1a\x0e\xce half a record")
    assert len(list(read_entries(log.directory, Sequence(0), Sequence(20)))) == 20
