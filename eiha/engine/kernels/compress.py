"""The values at which a condition holds, one after the other.

A condition is like the toss of a coin: a branch on it is mispredicted every other time. So every value is written, and
only a kept one moves the place where the next is written. Processors with AVX-512 have an instruction for sixteen of
them at once, which LLVM calls a compressing store; elsewhere it would be taken apart into branches, so it is not used.
"""

from __future__ import annotations

from typing import Any, Final

from eiha.engine.jit import ReadBool, ReadNumber, WriteInt64, WriteNumber, compiled_as, kernel

LANES: Final = 16
"""Values that are looked at together: those of 32 bits of one register."""


def _wide_lanes(numba: Any, plain: Any) -> bool:
    """Let ``plain``, which is ``keep_lanes``, be compressing stores, if the processor has such; whether it is."""
    import llvmlite.binding
    import numba.core.cgutils
    import numba.core.config
    import numba.extending
    from llvmlite import ir

    config = numba.core.config
    if config.CPU_NAME is not None or config.CPU_FEATURES is not None:  # told to compile for some other processor
        has_stores = "+avx512f" in (config.CPU_FEATURES or "")
    else:
        has_stores = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
    if not has_stores:
        return False

    @numba.extending.intrinsic
    def keep(_typing: Any, passes: Any, values: Any, row: Any, out: Any, count: Any) -> Any:
        whole = numba.types.unliteral
        bits = values.dtype.bitwidth
        lane = ir.IntType(bits)
        store = f"llvm.masked.compressstore.v{LANES}i{bits}"

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def vector(index: int, at: Any, element: Any) -> Any:
                data = context.make_array(signature.args[index])(context, builder, arguments[index]).data
                kind = ir.VectorType(element, LANES).as_pointer()
                loaded = builder.load(builder.bitcast(builder.gep(data, [at]), kind))
                loaded.align = element.width // 8
                return loaded

            at, place = arguments[2], arguments[4]
            found = vector(0, at, ir.IntType(8))
            mask = builder.icmp_unsigned("!=", found, ir.Constant(found.type, None))
            taken = vector(1, at, lane)
            room = context.make_array(signature.args[3])(context, builder, arguments[3]).data
            target = builder.bitcast(builder.gep(room, [place]), lane.as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [taken.type, target.type, mask.type])
            builder.call(numba.core.cgutils.get_or_insert_function(builder.module, kind, store), [taken, target, mask])
            kept = builder.ctpop(builder.bitcast(mask, ir.IntType(LANES)))
            return builder.add(place, builder.zext(kept, ir.IntType(64)))

        return numba.types.int64(passes, values, whole(row), out, whole(count)), generate

    @numba.extending.overload(plain, strict=False)
    def lanes(*_types: Any) -> Any:
        return lambda passes, values, row, out, count: keep(passes, values, row, out, count)  # noqa: PLW0108

    return True


@compiled_as(_wide_lanes)
def keep_lanes(passes: ReadBool, values: ReadNumber, row: int, out: WriteNumber, count: int) -> int:
    """As ``compress`` from ``row`` on for ``LANES`` rows, ``count`` being what is there already; how many are then."""
    for lane in range(row, row + LANES):
        out[count] = values[lane]
        count += passes[lane]
    return count


@kernel
def compress(passes: ReadBool, values: ReadNumber, out: WriteNumber) -> int:
    """``out`` begins with the ``values`` at which ``passes`` is true; how many these are.

    ``out`` has room for one more than that: what is written there has no meaning.
    """
    count = 0
    whole = len(passes) - len(passes) % LANES
    for row in range(0, whole, LANES):
        count = keep_lanes(passes, values, row, out, count)
    for row in range(whole, len(passes)):
        out[count] = values[row]
        count += passes[row]
    return count


@kernel
def kept_multiples(passes: ReadBool, stride: int, out: WriteInt64) -> int:
    """As ``compress`` of 0, ``stride``, 2 * ``stride``, ..."""
    count = 0
    for row in range(len(passes)):
        out[count] = row * stride
        count += passes[row]
    return count
