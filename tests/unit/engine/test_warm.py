from __future__ import annotations

from eiha.engine import jit
from eiha.engine.warm import warm_kernels


def test_warming_makes_every_kernel_of_the_engine_ready() -> None:
    count = warm_kernels()
    assert count == (len(jit.kernels()) if jit.is_compiled() else 0)
    assert {"find_or_add", "add_doubles", "last_of_groups", "local_codes"} <= {each.name for each in jit.kernels()}


def test_interpreted_there_is_nothing_to_warm() -> None:
    with jit.interpreted():
        assert warm_kernels() == 0
