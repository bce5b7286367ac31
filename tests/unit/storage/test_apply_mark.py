from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from eiha.errors import StorageError
from eiha.kernel.ids import Incarnation, Sequence
from eiha.storage.apply_mark import MARK_FILE, ApplyMark

DISK = Incarnation("disk-1")


def test_the_mark_outlives_a_process_that_was_killed_and_never_goes_back(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        mark = ApplyMark(tmp_path, DISK)
        mark.reached(Sequence(7))
        mark.reached(Sequence(5))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert ApplyMark(tmp_path, DISK).applied_before == 7


def test_another_disk_begins_anew(tmp_path: Path) -> None:
    ApplyMark(tmp_path, DISK).reached(Sequence(7))
    assert ApplyMark(tmp_path, Incarnation("disk-2")).applied_before == 0
    assert ApplyMark(tmp_path, DISK).applied_before == 0


@pytest.mark.parametrize("content", [b"", b"EIHAMRK1", b"something else that is long enough for a mark" * 3])
def test_a_file_that_is_no_mark_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MARK_FILE).write_bytes(content)
    mark = ApplyMark(tmp_path, DISK)
    assert mark.applied_before == 0
    mark.reached(Sequence(3))
    assert ApplyMark(tmp_path, DISK).applied_before == 3


def test_a_place_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / MARK_FILE).mkdir()
    with pytest.raises(StorageError, match=MARK_FILE):
        ApplyMark(tmp_path, DISK)
