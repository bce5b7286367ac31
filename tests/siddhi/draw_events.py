"""Random steps of a case: nulls, equal times, gaps, calls with several events, late ones, wide numbers."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from tests.fuzz.draw_expressions import Attribute
from tests.siddhi.draw_expressions import TEXTS

START_MS = 1_650_000_000_000


def steps(
    random: Random, streams: Mapping[str, tuple[Attribute, ...]], *, playback: bool, calls: bool, has_nulls: bool
) -> list[list[Any]]:
    """About forty steps. ``calls``: with calls that bring several events. ``has_nulls``: values may be null."""
    found: list[list[Any]] = []
    now_ms = START_MS + random.choice((0, 0, 137, 990))
    quickness = random.choice((1, 10, 100, 100, 400))
    nulls = random.choice((0.0, 0.0, 0.1, 0.3)) if has_nulls else 0.0
    late = random.choice((0.0, 0.0, 0.0, 0.15)) if playback else 0.0
    wide = random.choice((0.0, 0.0, 0.05))
    batches = random.choice((0.0, 0.0, 0.2)) if calls else 0.0
    names = list(streams)
    weights = [random.choice((1, 1, 3)) for _ in names]
    for _ in range(random.randint(10, 45)):
        now_ms += _pause(random, quickness)
        if random.random() < 0.08:
            now_ms += random.choice((1, 100, 1_000, 3_000))
            found.append([now_ms, "@advance"])
            continue
        stream = random.choices(names, weights)[0]
        if random.random() < batches:
            events = []
            for _ in range(random.randint(1, 5)):
                now_ms += random.choice((0, 0, 1, quickness)) if playback else 0
                events.append([now_ms, _values(random, streams[stream], now_ms, nulls, wide)])
            found.append([now_ms, f"@batch:{stream}", events])
            continue
        at_ms = now_ms - random.choice((1, 50, 700)) if random.random() < late else now_ms
        values = _values(random, streams[stream], at_ms, nulls, wide)
        found.append([now_ms, stream, values] if at_ms == now_ms else [now_ms, stream, values, at_ms])
    if random.random() < 0.7:
        found.append([now_ms + random.choice((500, 5_000)), "@advance"])
    return found


def _pause(random: Random, quickness: int) -> int:
    drawn = random.random()
    if drawn < 0.25:
        return 0
    return (
        random.choice((1, quickness, quickness, 3 * quickness))
        if drawn < 0.95
        else random.choice((1_000, 1_500, 6_000))
    )


def _values(random: Random, attributes: tuple[Attribute, ...], at_ms: int, nulls: float, wide: float) -> list[Any]:
    return [_value(random, each, at_ms, nulls, wide) for each in attributes]


def _value(random: Random, attribute: Attribute, at_ms: int, nulls: float, wide: float) -> Any:
    if attribute.ref == "ts":
        return at_ms
    if random.random() < nulls:
        return None
    is_wide = random.random() < wide
    match attribute.type:
        case "string":
            return random.choice(TEXTS)
        case "bool":
            return random.random() < 0.6
        case "int":
            return random.choice((2**31 - 1, -(2**31), 10**9)) if is_wide else random.randint(-3, 9)
        case "long":
            return random.choice((2**63 - 1, -(2**63), 2**40 + 3)) if is_wide else random.randint(-3, 12)
        case "float":
            return random.choice((1e30, 16777217.0, 0.1)) if is_wide else random.randint(-20, 60) / 4
        case _:
            return random.choice((1e300, -1e-300, 0.1)) if is_wide else random.randint(-20, 80) / 8
