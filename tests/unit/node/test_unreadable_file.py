from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from eiha.node.unreadable_file import why_unreadable


def test_a_missing_file_a_directory_and_bytes_are_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"ok\xff")
    told = []
    for name in ("absent", "", "bytes"):
        with pytest.raises((OSError, UnicodeDecodeError)) as caught:
            (tmp_path / name).read_text(encoding="utf-8")
        assert isinstance(caught.value, OSError | UnicodeDecodeError)
        told.append(why_unreadable(caught.value))
    assert told == [
        "there is no such file",
        "it is a directory; name a file",
        "it is not text in UTF-8 (byte 2 is 0xff)",
    ]


def test_another_failure_is_told_as_the_system_has_it() -> None:
    assert why_unreadable(PermissionError(errno.EACCES, "x")) == "this user may not read it"
    assert why_unreadable(OSError(errno.EIO, os.strerror(errno.EIO))) == os.strerror(errno.EIO)
