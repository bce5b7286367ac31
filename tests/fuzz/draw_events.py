"""Random events: nulls, equal times, gaps, bursts, a late one now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.draw_expressions import TEXTS, Attribute

START_MS = 1_650_000_000_000

Row = tuple[int, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a log entry brings: the clock, and rows of one stream (none: time alone moves).

    ``one_call``: the rows are one chunk. ``ask``: the plan's questions are asked afterwards.
    """

    now_ms: int
    stream: str | None
    rows: tuple[Row, ...] = ()
    one_call: bool = False
    ask: bool = False


def entries(
    random: Random, streams: Mapping[str, tuple[Attribute, ...]], *, playback: bool, rows_about: int = 90
) -> tuple[Entry, ...]:
    """Entries with about so many rows in all."""
    found: list[Entry] = []
    now_ms = START_MS + random.choice((0, 1, 137, 500, 990))
    quickness = random.choice((1, 10, 100, 100, 400))
    nulls = random.choice((0.0, 0.05, 0.2))
    late = random.choice((0.0, 0.0, 0.1))
    done = 0
    names = list(streams)
    weights = [random.choice((1, 1, 3)) for _ in names]
    while done < rows_about:
        if random.random() < 0.08:
            now_ms += random.choice((1, 100, 1_000, 3_000, 20_000))
            found.append(Entry(now_ms, None, ask=random.random() < 0.2))
            continue
        stream = random.choices(names, weights)[0]
        rows: list[Row] = []
        begin_ms = now_ms
        for _ in range(min(1 + int(random.expovariate(0.15)), 40)):
            if playback or not rows:
                now_ms += _step(random, quickness)
            at_ms = now_ms - random.choice((1, 50, 700)) if random.random() < late else now_ms
            rows.append((at_ms, tuple(_value(random, each, at_ms, nulls) for each in streams[stream])))
        done += len(rows)
        clock_ms = begin_ms if playback and random.random() < 0.5 else now_ms
        one_call = random.random() < 0.06
        found.append(Entry(clock_ms, stream, tuple(rows), one_call, ask=random.random() < 0.2))
    found.append(Entry(now_ms + 5_000, None, ask=True))
    return tuple(found)


def _step(random: Random, quickness: int) -> int:
    drawn = random.random()
    if drawn < 0.3:
        return 0
    if drawn < 0.95:
        return random.choice((1, quickness, quickness, 3 * quickness))
    return random.choice((1_000, 1_500, 6_000))


def _value(random: Random, attribute: Attribute, at_ms: int, nulls: float) -> Any:
    if attribute.ref == "ts":
        return at_ms
    if random.random() < nulls:
        return None
    match attribute.type:
        case "string":
            return random.choice(TEXTS)
        case "bool":
            return random.random() < 0.6
        case "int":
            return random.randint(-3, 15)
        case "long":
            return random.choice((random.randint(-3, 50), random.randint(0, 10**12)))
        case "float":
            return random.randint(-20, 60) / 4
        case _:
            return random.choice((random.randint(-20, 160) / 8, random.randint(0, 99) / 10))
