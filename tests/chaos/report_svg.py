"""Drawings of the report, as inline SVG: what happened to a pair over time, and how times are distributed.

Colours are classes of the page's style sheet, so that one drawing suits light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any, Final

Document = dict[str, Any]

WIDTH: Final = 1160
LEFT: Final = 106
LANE: Final = 26
ACKS_HEIGHT: Final = 70
TICKS: Final = 10
KIND_CLASSES: Final = {
    "kill": "k-kill",
    "pause": "k-pause",
    "partition": "k-partition",
    "outage": "k-outage",
    "disk": "k-disk",
    "clock": "k-clock",
    "operation": "k-operation",
}
LANES: Final = ("node1", "node2", "both", "database", "network")


def timeline(act: Document, bucket_s: float) -> str:
    """Faults, what each node said of itself, and the rate of acknowledgements, over the time of an act."""
    end_s = max([1.0, len(act["acks"]) * bucket_s, *(strike["healed_s"] or 0.0 for strike in act["strikes"])]) + 0.5
    scale = (WIDTH - LEFT - 8) / end_s
    targets = {strike["target"] or "both" for strike in act["strikes"]}
    lanes = [lane for lane in LANES if lane in targets] + sorted(targets - set(LANES))
    faults_top = 8
    roles_top = faults_top + LANE * len(lanes) + 10
    acks_top = roles_top + LANE * 2 + 10
    height = acks_top + ACKS_HEIGHT + 24
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="timeline of act {act["act"]["number"]}">']
    for index, lane in enumerate(lanes):
        y = faults_top + LANE * index
        parts.append(_label(y, f"faults: {lane}"))
        parts += [_fault(strike, y, scale, end_s) for strike in act["strikes"] if (strike["target"] or "both") == lane]
    for index, node in enumerate(("node1", "node2")):
        y = roles_top + LANE * index
        parts.append(_label(y, node))
        parts += _roles([role for role in act["roles"] if role["node"] == node], y, scale, end_s)
    parts.append(_label(acks_top, "acks/s"))
    parts += _acks(act["acks"], bucket_s, acks_top, scale)
    parts += _axis(end_s, scale, acks_top + ACKS_HEIGHT)
    parts.append("</svg>")
    return "".join(parts)


def _label(y: float, text: str) -> str:
    return f'<text class="label" x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(text)}</text>'


def _fault(strike: Document, y: float, scale: float, end_s: float) -> str:
    until_s = strike["healed_s"] if strike["healed_s"] is not None else end_s
    width = max(3.0, (until_s - strike["at_s"]) * scale)
    told = f"{strike['number'] + 1}. {strike['what']}"
    if strike["takeover_ms"] is not None:
        told += f" — first acknowledgement after {strike['takeover_ms']:.0f} ms"
    if strike["whole_s"] is None:
        told += " — the pair did not come back"
    style = KIND_CLASSES.get(strike["kind"], "k-operation") + ("" if strike["whole_s"] is not None else " lost")
    return (
        f'<rect class="{style}" x="{LEFT + strike["at_s"] * scale:.1f}" y="{y + 2}" width="{width:.1f}" '
        f'height="{LANE - 6}" rx="2"><title>{escape(told)}</title></rect>'
    )


def _roles(samples: Sequence[Document], y: float, scale: float, end_s: float) -> list[str]:
    parts = []
    shown = [sample for sample in samples if sample["at_s"] < end_s]
    for sample, until_s in zip(shown, [*(each["at_s"] for each in shown), end_s][1:], strict=True):
        style = _role_class(sample)
        x, width = LEFT + sample["at_s"] * scale, max(0.6, (until_s - sample["at_s"]) * scale)
        told = f"{sample['node']} {sample['role'] or 'does not answer'} {sample['state']}, epoch {sample['epoch']}"
        parts.append(
            f'<rect class="{style}" x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{LANE - 6}">'
            f"<title>{escape(told)}</title></rect>"
        )
        if sample["role"] == "active" and width > 34:
            parts.append(f'<text class="inside" x="{x + 4:.1f}" y="{y + 16}">{sample["epoch"]}</text>')
    return parts


def _role_class(sample: Document) -> str:
    match sample["role"], sample["state"]:
        case "active", "synced":
            return "r-active"
        case "active", _:
            return "r-solo"
        case "passive", _:
            return "r-passive"
        case "", _:
            return "r-silent"
        case _:
            return "r-joining"


def _acks(counts: Sequence[int], bucket_s: float, top: float, scale: float) -> list[str]:
    if not counts:
        return []
    most = max(counts)
    points = [f"{LEFT},{top + ACKS_HEIGHT}"]
    for index, count in enumerate(counts):
        # publications that waited are acknowledged at once: a root keeps the quiet time visible beside them
        y = top + ACKS_HEIGHT - ACKS_HEIGHT * math.sqrt(count / most)
        x = LEFT + index * bucket_s * scale
        points += [f"{x:.1f},{y:.1f}", f"{x + bucket_s * scale:.1f},{y:.1f}"]
    points.append(f"{LEFT + len(counts) * bucket_s * scale:.1f},{top + ACKS_HEIGHT}")
    told = f"publications acknowledged a second, at most {most / bucket_s:,.0f}; square root scale"
    return [
        f'<polygon class="acks" points="{" ".join(points)}"><title>{told}</title></polygon>',
        f'<text class="label" x="{LEFT - 8}" y="{top + 34}" text-anchor="end">≤ {most / bucket_s:,.0f}</text>',
    ]


def _axis(end_s: float, scale: float, y: float) -> list[str]:
    step = _step(end_s)
    parts = [f'<line class="axis" x1="{LEFT}" y1="{y}" x2="{LEFT + end_s * scale:.1f}" y2="{y}"/>']
    for index in range(int(end_s / step) + 1):
        x = LEFT + index * step * scale
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 4}"/>')
        parts.append(f'<text class="label" x="{x:.1f}" y="{y + 17}" text-anchor="middle">{index * step:g} s</text>')
    return parts


def _step(end_s: float) -> float:
    """A round number of seconds that gives about ten ticks."""
    rough = end_s / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


HISTOGRAM_WIDTH: Final = 560
HISTOGRAM_HEIGHT: Final = 150
BINS_A_DECADE: Final = 8
RIGHT: Final = 40
"""Room for the last label."""


def histogram(values: Sequence[float], limit_ms: float | None) -> str:
    """Milliseconds on a logarithmic axis; ``limit_ms`` is drawn as what is aimed at."""
    low = math.floor(math.log10(max(1.0, min(values))))
    high = max(low + 1, math.ceil(math.log10(max(values) + 1)), math.ceil(math.log10(limit_ms or 1)))
    bins = [0] * ((high - low) * BINS_A_DECADE)
    for value in values:
        place = int((math.log10(max(value, 10.0**low)) - low) * BINS_A_DECADE)
        bins[min(place, len(bins) - 1)] += 1
    most, left, bottom = max(bins), 30, HISTOGRAM_HEIGHT - 22
    width = (HISTOGRAM_WIDTH - left - RIGHT) / len(bins)
    parts = [f'<svg class="histogram" viewBox="0 0 {HISTOGRAM_WIDTH} {HISTOGRAM_HEIGHT}" role="img">']
    for index, count in enumerate(bins):
        tall = (bottom - 12) * count / most
        first = 10 ** (low + index / BINS_A_DECADE)
        last = 10 ** (low + (index + 1) / BINS_A_DECADE)
        parts.append(
            f'<rect class="bar" x="{left + index * width + 1:.1f}" y="{bottom - tall:.1f}" width="{width - 2:.1f}" '
            f'height="{tall:.1f}"><title>{first:,.0f} to {last:,.0f} ms: {count}</title></rect>'
        )
    for power in range(low, high + 1):
        x = left + (power - low) * BINS_A_DECADE * width
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 4}"/>')
        parts.append(f'<text class="label" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{10**power:,} ms</text>')
    parts.append(f'<line class="axis" x1="{left}" y1="{bottom}" x2="{HISTOGRAM_WIDTH - RIGHT}" y2="{bottom}"/>')
    parts.append(f'<text class="label" x="{left - 4}" y="20" text-anchor="end">{most}</text>')
    if limit_ms is not None:
        x = left + (math.log10(limit_ms) - low) * BINS_A_DECADE * width
        parts.append(
            f'<line class="limit" x1="{x:.1f}" y1="6" x2="{x:.1f}" y2="{bottom}"><title>aim: 99 of 100 below '
            f"{limit_ms:,.0f} ms</title></line>"
        )
    parts.append("</svg>")
    return "".join(parts)
