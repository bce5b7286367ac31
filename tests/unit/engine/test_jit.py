"""Kernels give the same results compiled and interpreted, and take exactly the types they declare."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eiha.engine import jit
from eiha.engine.jit import ReadInt64, ReadNumber, WriteInt64, WriteNumber, inlined, kernel
from eiha.errors import ConfigurationError

ROOT = Path(jit.__file__).parents[2]


@inlined
def _twice(value: int) -> int:
    return value * 2


@kernel
def _running_sum(values: ReadInt64, start: int, out: WriteInt64) -> int:
    """Sum as it grows."""
    total = start
    for index in range(len(values)):
        total += _twice(values[index])
        out[index] = total
    return total


@kernel
def _copy_backwards(values: ReadNumber, out: WriteNumber) -> None:
    for index in range(len(values)):
        out[len(values) - 1 - index] = values[index]


def _run_both_ways() -> list[list[int]]:
    results = []
    for compiled in (True, False):
        jit.choose("1" if compiled else "0")
        out = np.zeros(3, dtype=np.int64)
        _running_sum(np.array([1, 2, 3], dtype=np.int64), 10, out)
        results.append(out.tolist())
    jit.choose(None)
    return results


def test_a_kernel_gives_the_same_compiled_and_interpreted() -> None:
    assert _run_both_ways() == [[12, 16, 22], [12, 16, 22]]


def test_read_only_arrays_are_taken_where_the_kernel_only_reads() -> None:
    values = np.array([1, 2, 3], dtype=np.int64)
    values.flags.writeable = False
    out = np.zeros(3, dtype=np.int64)
    assert _running_sum(values, 0, out) == 12


def test_an_array_of_another_type_is_refused_rather_than_compiled_for() -> None:
    with pytest.raises(TypeError):
        _running_sum(np.array([1.0]), 0, np.zeros(1, dtype=np.int64))


@pytest.mark.parametrize("dtype", jit.NUMBER_TYPES)
def test_a_generic_kernel_runs_on_every_number_type(dtype: str) -> None:
    out = np.zeros(2, dtype=dtype)
    _copy_backwards(np.array([1, 2], dtype=dtype), out)
    assert out.tolist() == [2, 1]


def test_within_interpreted_no_machine_code_runs() -> None:
    with jit.interpreted():
        assert not jit.is_compiled()
        _running_sum(np.array([1], dtype=np.int64), 0, np.zeros(1, dtype=np.int64))
        assert _running_sum._run is _running_sum.plain
    assert jit.is_compiled()


def test_warming_binds_every_kernel_so_that_a_call_compiles_nothing() -> None:
    assert jit.warm() == len(jit.kernels())
    assert all(each._run is each._compiled for each in jit.kernels())


def test_an_unknown_setting_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ConfigurationError, match="EIHA_JIT must be 0"):
        jit.choose("yes")


def test_an_argument_without_a_kernel_type_is_refused_where_it_is_written() -> None:
    def loop(values: list[int]) -> None: ...

    with pytest.raises(AssertionError, match="argument values has no kernel type"):
        kernel(loop)


def test_interpreted_mode_never_imports_numba() -> None:
    code = (
        "import sys; from eiha.engine import jit; jit.choose('0'); jit.warm();"
        "raise SystemExit(1 if 'numba' in sys.modules else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PART = """
from eiha.engine.jit import inlined
FACTOR = {factor}
@inlined
def scaled(value: int) -> int:
    return value * FACTOR {more}
"""
WHOLE = """
import numpy as np
from eiha.engine.jit import WriteInt64, kernel
from part import scaled
@kernel
def fill(out: WriteInt64) -> None:
    for index in range(len(out)):
        out[index] = scaled(index)
out = np.zeros(3, dtype=np.int64)
fill(out)
print(*out)
"""


def test_the_cache_sees_a_change_of_what_a_kernel_inlines_from_another_module(tmp_path: Path) -> None:
    (tmp_path / "whole.py").write_text(WHOLE)
    for factor, more, filled in ((2, "", "0 2 4"), (3, "", "0 3 6"), (3, "+ 1", "1 4 7")):
        (tmp_path / "part.py").write_text(PART.format(factor=factor, more=more))
        done = subprocess.run(
            [sys.executable, "-B", "-c", "import whole"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == filled
    assert list((tmp_path / "__pycache__").glob("*.nbc")), "nothing was cached, so nothing was shown"
