"""What the predecessors' algorithm loses, and what this project's does, under the same seeds of the simulator.

    python -m benchmarks.losses --seeds 0..200                 the table
    python -m benchmarks.losses --seeds 0..200 --svg FILE      and the chart

Both get the same faults, clients and network; the predecessor's timers are scaled to this project's (the originals are
up to minutes), it has a perfect common clock, and it gets four quiet seconds to start. Its clients send again what was
not acknowledged, as this project's do; here such events are recognised.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from rich.console import Console
from rich.table import Table

from eiha.simulation.options import SimulationOptions
from eiha.simulation.predecessor.run import PredecessorSimulator, losses_of_the_pair
from eiha.simulation.predecessor.tally import Losses

PROFILES = ("none", "crashes", "machines", "network", "pauses", "stores", "operators", "swarm")

SERIES = (
    ("events lost", "events_lost", "#c2410c"),
    ("outputs lost", "outputs_lost", "#ea8a3d"),
    ("outputs doubled", "outputs_doubled", "#7c3aed"),
)


def run_one(work: tuple[int, str]) -> tuple[str, Losses, Losses]:
    """One seed of one profile, on both algorithms."""
    seed, profile = work
    options = SimulationOptions(faults=profile)
    return profile, PredecessorSimulator(seed, options).losses(), losses_of_the_pair(seed, options)


def run(seeds: range, jobs: int, profiles: Sequence[str] = PROFILES) -> dict[str, tuple[Losses, Losses]]:
    """Sums by profile: the predecessor's and this project's."""
    found = {profile: (Losses(), Losses()) for profile in profiles}
    work = [(seed, profile) for profile in profiles for seed in seeds]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for profile, theirs, ours in pool.imap_unordered(run_one, work, chunksize=4):
            before = found[profile]
            found[profile] = (before[0] + theirs, before[1] + ours)
    return found


def table(found: dict[str, tuple[Losses, Losses]]) -> Table:
    """Per cent of what was acknowledged."""
    shown = Table(title="of acknowledged publications, predecessor / eiha")
    for heading in ("faults", "acknowledged", *(name for name, _, _ in SERIES), "two actives, s", "wrong sums, runs"):
        shown.add_column(heading, justify="left" if heading == "faults" else "right")
    for profile, (theirs, ours) in found.items():
        shown.add_row(
            profile,
            f"{theirs.acknowledged:,} / {ours.acknowledged:,}",
            *(f"{share(theirs, field):.2f} % / {share(ours, field):.2f} %" for _, field, _ in SERIES),
            f"{theirs.two_actives_ms / 1000:.1f} / {ours.two_actives_ms / 1000:.1f}",
            f"{theirs.runs_with_wrong_state} of {theirs.runs} / {ours.runs_with_wrong_state} of {ours.runs}",
        )
    return shown


def share(losses: Losses, field: str) -> float:
    """A count in per cent of what was acknowledged."""
    return 100.0 * int(getattr(losses, field)) / max(losses.acknowledged, 1)


def chart(found: dict[str, tuple[Losses, Losses]], seeds: range) -> str:
    """Bars by profile, as SVG that suits a light and a dark page."""
    left, width, bar, gap, top = 110, 520, 9, 26, 58
    most = max((share(each, field) for pair in found.values() for each in pair for _, field, _ in SERIES), default=1.0)
    scale = width / max(most, 1.0)
    parts: list[str] = []
    y = top
    for profile, (theirs, ours) in found.items():
        parts.append(_text(left - 8, y + 2 * bar, profile, "end", bold=True))
        for who, losses in (("predecessor", theirs), ("eiha", ours)):
            for name, field, color in SERIES:
                percent = share(losses, field)
                title = escape(f"{profile}, {who}: {percent:.2f} % {name}")
                size = f'width="{max(percent * scale, 0.8):.1f}" height="{bar - 2}"'
                place = f'x="{left}" y="{y}" fill="{color}"'
                parts.append(f"<rect {place} {size}><title>{title}</title></rect>")
                if name == SERIES[0][0]:
                    note = f"{who}: {percent:.1f} %" if who == "predecessor" else f"{who}: {percent:.0f}"
                    parts.append(_text(left + percent * scale + 6, y + bar - 2, note, "start"))
                y += bar
            y += 3
        y += gap - 6
    legend = "".join(
        f'<rect x="{left + 150 * place}" y="32" width="10" height="10" fill="{color}"/>'
        + _text(left + 150 * place + 15, 41, name, "start")
        for place, (name, _, color) in enumerate(SERIES)
    )
    title = f"Of acknowledged publications, by kind of fault: seeds {seeds.start} to {seeds.stop}, the same for both"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 130} {y}" font-family="sans-serif" '
        'font-size="11"><style>svg{color:#1f2328;background:#fff}text{fill:currentColor}'
        "@media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>"
        f"{_text(left, 18, title, 'start', bold=True)}{legend}{''.join(parts)}</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=range(100), metavar="A..B", help="default 0..100")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--svg", type=Path, help="write the chart there")
    given = parser.parse_args()
    found = run(given.seeds, given.jobs)
    Console(width=150).print(table(found))
    if given.svg is not None:
        given.svg.write_text(chart(found, given.seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
