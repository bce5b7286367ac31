"""Failing disks and a clock that jumps, for one process: a C library put before libc, steered while the process runs.

The library (``fault_shim.c``) is compiled when it is first needed. A ``FaultShim`` is one control file, mapped here and
in the process; what is written into it holds from the process's next call on, also after it was started again.
"""

from __future__ import annotations

import enum
import hashlib
import mmap
import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.chaos.system_programs import require

SOURCE: Final = Path(__file__).with_name("fault_shim.c")
CONTROL_VARIABLE: Final = "EIHA_SHIM_CONTROL"
MAGIC: Final = 0x6D69687361686965

_HEADER: Final = struct.Struct("=QqqqII")  # magic, clock offset, rate, base, calls of all rules, unused
_RULE: Final = struct.Struct("=IiQIiQQ256s")  # calls, error, delay, every, left, matched, hits, prefix
_RULES: Final = 8
_CALLS_AT: Final = 32
_RULE_SIZE: Final = _RULE.size
_FILE_BYTES: Final = _HEADER.size + _RULES * _RULE_SIZE


class Call(enum.IntFlag):
    """Which calls a rule is about; the numbers are those of ``enum call`` in the C source."""

    OPEN = 1
    READ = 2
    WRITE = 4
    FSYNC = 8
    RENAME = 16
    TRUNCATE = 32
    UNLINK = 64


def build() -> Path:
    """The compiled library, built once for each version of its source.

    Raises:
        ProgramMissing: there is no compiler and none can be installed.
    """
    source = SOURCE.read_bytes()
    library = Path(tempfile.gettempdir()) / f"eiha-fault-shim-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if not library.exists():
        compiler = require("gcc", package="gcc")
        unfinished = library.with_suffix(f".{os.getpid()}")
        command = [
            compiler,
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            str(unfinished),
            str(SOURCE),
        ]
        done = subprocess.run([*command, "-ldl"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the fault shim does not compile:\n{done.stderr}")
        unfinished.rename(library)
    return library


class FaultShim:
    """Rules for one process, and its clock.

    Args:
        control: where the control file is made; the process finds it through ``environment``.
    """

    def __init__(self, control: Path) -> None:
        self._control = control
        control.write_bytes(_HEADER.pack(MAGIC, 0, 0, 0, 0, 0) + bytes(_RULES * _RULE_SIZE))
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _FILE_BYTES)
        self._calls: dict[int, Call] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What the process must be started with."""
        return {"LD_PRELOAD": str(build()), CONTROL_VARIABLE: str(self._control.resolve())}

    # -- disk

    def fail(self, calls: Call, prefix: Path, error: int, *, every: int = 1, times: int = -1) -> int:
        """Each ``every``-th of these calls on paths below ``prefix`` fails, at most ``times`` times; its number."""
        return self._add(calls, prefix, error, 0.0, every, times)

    def slow(self, calls: Call, prefix: Path, delay_s: float, *, every: int = 1) -> int:
        """These calls take longer by ``delay_s``; the rule's number."""
        return self._add(calls, prefix, 0, delay_s, every, -1)

    def hits(self, rule: int) -> int:
        """How often the rule struck."""
        found: int = _RULE.unpack_from(self._map, self._offset(rule))[6]
        return found

    def matched(self, rule: int) -> int:
        """How many calls the rule looked at."""
        found: int = _RULE.unpack_from(self._map, self._offset(rule))[5]
        return found

    def mend(self) -> None:
        """No rule is left. The clock stays as it is."""
        self._calls.clear()
        self._tell_calls()
        for rule in range(_RULES):
            struct.pack_into("=I", self._map, self._offset(rule), 0)

    def _add(self, calls: Call, prefix: Path, error: int, delay_s: float, every: int, times: int) -> int:
        rule = next(number for number in range(_RULES) if number not in self._calls)
        path = (str(prefix.resolve()) + ("/" if prefix.is_dir() else "")).encode()
        assert len(path) < 256, prefix
        offset = self._offset(rule)
        _RULE.pack_into(self._map, offset, 0, error, int(delay_s * 1e9), every, times, 0, 0, path)
        struct.pack_into("=I", self._map, offset, calls)  # last: from here on it is in force
        self._calls[rule] = calls
        self._tell_calls()
        return rule

    def _tell_calls(self) -> None:
        together = Call(0)
        for calls in self._calls.values():
            together |= calls
        struct.pack_into("=I", self._map, _CALLS_AT, together)

    @staticmethod
    def _offset(rule: int) -> int:
        return _HEADER.size + rule * _RULE_SIZE

    # -- clock

    def set_clock(self, offset_s: float, *, drift_ppm: float = 0.0) -> None:
        """The process's wall clock is ``offset_s`` ahead of this machine's, and from now on runs wrong by so much."""
        struct.pack_into("=qqq", self._map, 8, int(offset_s * 1e9), int(drift_ppm * 1_000), time.monotonic_ns())

    def close(self) -> None:
        """Give the mapping back."""
        self._map.close()
