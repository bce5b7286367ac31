"""Doubles within arrays of whole numbers: a double's 64 bits as an int64, and back."""

from __future__ import annotations

import struct
from typing import Any

from eiha.engine.jit import compiled_as


def _moved(numba: Any, plain: Any, given: Any, wanted: Any) -> bool:
    """Let ``plain`` be a move from one register of the processor to another."""
    import numba.extending

    @numba.extending.intrinsic
    def move(_typing: Any, value: Any) -> Any:  # noqa: ARG001 - an intrinsic names what it is called with
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

        return wanted(given), generate

    @numba.extending.overload(plain, strict=False)
    def moved(*_types: Any) -> Any:
        return lambda value: move(value)  # noqa: PLW0108

    return True


def _to_bits(numba: Any, plain: Any) -> bool:
    return _moved(numba, plain, numba.types.float64, numba.types.int64)


def _from_bits(numba: Any, plain: Any) -> bool:
    return _moved(numba, plain, numba.types.int64, numba.types.float64)


@compiled_as(_to_bits)
def bits_of(value: float) -> int:
    """The bits of ``value``."""
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits


@compiled_as(_from_bits)
def double_of(bits: int) -> float:
    """The double with these bits."""
    value: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return value
