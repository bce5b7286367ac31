"""Generated events, number for number the same in Python and in the peer's driver.

SPEC: one item an attribute, ``;`` between: ``sym(K)``, ``int(lo,hi)``, ``long(lo,hi)``, ``float(lo,hi)``,
``double(lo,hi)``, ``bool(p)``, ``seq``, ``ts``. Value j of event i comes from r, the splitmix64 output for state
``seed + (i*w + j + 1) * 0x9E3779B97F4A7C15`` with w attributes.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn

GOLDEN: Final = 0x9E3779B97F4A7C15
T0_MS: Final = 1_600_000_000_000
_ITEM: Final = re.compile(r"^(\w+)(?:\(([^)]*)\))?$")


def splitmix64(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The output function of splitmix64 (Steele, Lea, Flood 2014) for each state."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def generate(spec: str, *, first: int, rows: int, dt_ms: float | None, seed: int) -> WireBatch:
    """Events ``first`` to ``first + rows``; ``dt_ms`` None leaves timestamps to the sequencer."""
    items = [item.strip() for item in spec.split(";")]
    numbers = np.arange(first, first + rows, dtype=np.uint64)
    times = T0_MS + np.floor(numbers.astype(np.float64) * (dt_ms or 0.0)).astype(np.int64)
    columns = []
    for position, item in enumerate(items):
        with np.errstate(over="ignore"):
            state = np.uint64(seed) + (numbers * np.uint64(len(items)) + np.uint64(position + 1)) * np.uint64(GOLDEN)
        columns.append(_column(item, numbers, splitmix64(state), times))
    return WireBatch(rows, None if dt_ms is None else times, tuple(columns))


def _number(text: str) -> Any:
    return float(text) if "." in text or "e" in text else int(text)


def _column(
    item: str, numbers: npt.NDArray[np.uint64], random: npt.NDArray[np.uint64], times: npt.NDArray[np.int64]
) -> WireColumn:
    match = _ITEM.match(item)
    if match is None:
        raise ValueError(f"not a generator: {item!r}")
    name = match[1]
    arguments: list[Any] = [
        float(a) if "." in a or "e" in a else int(a) for a in (match[2] or "").split(",") if a.strip()
    ]
    unit = (random >> np.uint64(11)).astype(np.float64) * 2.0**-53
    match name, arguments:
        case "sym", [count]:
            codes = (random % np.uint64(count)).astype(np.int32)
            return WireColumn(AttributeType.STRING, codes, None, tuple(f"S{k}" for k in range(count)))
        case (("int" | "long"), [low, high]):
            type_ = AttributeType.INT if name == "int" else AttributeType.LONG
            return WireColumn(type_, (low + (random % np.uint64(high - low + 1)).astype(np.int64)).astype(type_.dtype))
        case (("float" | "double"), [low, high]):
            type_ = AttributeType.FLOAT if name == "float" else AttributeType.DOUBLE
            return WireColumn(type_, (low + (high - low) * unit).astype(type_.dtype))
        case "bool", [share]:
            return WireColumn(AttributeType.BOOL, unit < share)
        case "seq", []:
            return WireColumn(AttributeType.LONG, numbers.astype(np.int64))
        case "ts", []:
            return WireColumn(AttributeType.LONG, times)
        case _:
            raise ValueError(f"unknown generator: {item!r}")
