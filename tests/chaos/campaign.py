"""Runs acts: puts up a scene, lets faults strike one after the other, waits for the pair in between, judges the end."""

from __future__ import annotations

import random
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from eiha.errors import EihaError
from tests.chaos.catalogue import STAGES, fault_named
from tests.chaos.checks import Check
from tests.chaos.fault import Fault, Injected
from tests.chaos.history import Digest, LogLine
from tests.chaos.scene import Scene, SceneError, SceneOptions
from tests.chaos.schedule import Act
from tests.chaos.verdict import judge, settle
from tests.chaos.watch import log_lines

SETTLE_S: Final = (0.1, 1.0)
"""Undisturbed time before a fault: from just after a rejoin to some hundred entries later."""
CLIENTS_TIMEOUT_S: Final = 90.0
ACK_BUCKET_S: Final = 0.25
"""Acknowledgements are counted for the timeline in steps of this."""


@dataclass(slots=True)
class Strike:
    """One fault as it happened. Times in seconds from the start of the act, or milliseconds where the name says so.

    Attributes:
        takeover_ms: from the fault to the acknowledgement of the first publication sent after it.
        all_clients_ms: until each of the clients had one; ``served_ms`` tells when each had.
        gap_ms: the longest time without any acknowledgement until the pair was whole again.
        rejoin_ms: from the healing until the pair was whole.
        alone: the active that was killed had just gone solo, so nobody may take over from it.
    """

    number: int
    name: str
    kind: str
    target: str
    what: str
    at_s: float
    takes_over: bool = False
    ack_within_s: float | None = None
    healed_s: float | None = None
    whole_s: float | None = None
    takeover_ms: float | None = None
    all_clients_ms: float | None = None
    served_ms: dict[str, float] = field(default_factory=dict)
    gap_ms: float | None = None
    rejoin_ms: float | None = None
    alone: bool = False


@dataclass(slots=True)
class ActReport:
    """An act and its verdict, all plain values: this is what the JSON holds."""

    act: dict[str, Any]
    seed: int
    replay: str
    passed: bool = False
    error: str = ""
    seconds: float = 0.0
    strikes: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    roles: list[dict[str, Any]] = field(default_factory=list)
    notes: list[tuple[float, str]] = field(default_factory=list)
    acks: list[int] = field(default_factory=list)


def run_act(
    act: Act,
    seed: int,
    directory: Path,
    *,
    replay: str = "",
    say: Callable[[str], None] = lambda text: None,
    enough: Callable[[], bool] = lambda: False,
) -> ActReport:
    """Run one act in ``directory``, which is emptied before, and removed afterwards if everything held.

    Args:
        act: stage and faults.
        seed: of all choices in it, with the act's number.
        replay: the command that runs this act again, for the report.
        say: takes progress, a line at a time.
        enough: asked before each fault: whether to stop here.
    """
    shutil.rmtree(directory, ignore_errors=True)
    report = ActReport(asdict(act), seed, replay)
    rng = random.Random(f"act {seed} {act.number}")
    began_s = time.monotonic()
    options = SceneOptions(mariadb=act.mariadb, durability=act.durability)
    try:
        with Scene(directory, STAGES[act.stage](), options) as scene:
            began_s = time.monotonic()
            _play(scene, act, rng, report, began_s, say, enough)
    except Exception:  # noqa: BLE001  whatever happened to one act, the campaign goes on and the report says it
        report.error = report.error or traceback.format_exc()
    report.seconds = round(time.monotonic() - began_s, 3)
    report.passed = not report.error and bool(report.checks) and all(not check["broken"] for check in report.checks)
    if report.passed:
        shutil.rmtree(directory, ignore_errors=True)
    return report


def _play(
    scene: Scene,
    act: Act,
    rng: random.Random,
    report: ActReport,
    began_s: float,
    say: Callable[[str], None],
    enough: Callable[[], bool],
) -> None:
    strikes: list[Strike] = []
    try:
        # Clients that are still being set up would count as time without an acknowledgement.
        scene.wait_for(lambda: scene.load.served_after(began_s) is not None, "all clients", CLIENTS_TIMEOUT_S)
        for number, name in enumerate(act.faults):
            if enough():
                break
            strike = _strike(scene, number, fault_named(name), rng, began_s, strikes)
            say(
                f"act {act.number} ({act.stage}) {number + 1}/{len(act.faults)}  {strike.what}: first ack after "
                f"{_ms(strike.takeover_ms)}, whole {_ms(strike.rejoin_ms)} after healing"
            )
    except (SceneError, TimeoutError, EihaError) as failure:
        report.error = f"{type(failure).__name__}: {failure}"
    digests: list[Digest] = []
    try:
        digests = settle(scene)
    except (SceneError, TimeoutError, EihaError) as failure:
        report.error += f"\nat the end: {type(failure).__name__}: {failure}"
    finally:
        report.strikes = [asdict(strike) for strike in strikes]
        _timeline(scene, report, began_s)
    _measure_gaps(scene, strikes, began_s)
    report.strikes = [asdict(strike) for strike in strikes]
    found, report.totals = judge(scene, digests)
    found.append(availability(strikes))
    report.checks = [asdict(check) for check in found]


def _strike(
    scene: Scene, number: int, fault: Fault, rng: random.Random, began_s: float, strikes: list[Strike]
) -> Strike:
    """One fault, from the quiet before it to the whole pair after it."""
    time.sleep(rng.uniform(*SETTLE_S))
    if not scene.is_whole():
        # An overloaded machine can make the passive take over by itself meanwhile: what then strikes the only synced
        # node would ask the pair for what it does not promise.
        scene.wait_until_whole()
    before_s = time.monotonic()
    strike = Strike(number, fault.name, fault.kind.value, "", fault.name, before_s - began_s)
    strikes.append(strike)
    try:
        injected = fault.inject(scene, rng)
        moment_s = injected.moment_s or before_s
        strike.target, strike.what, strike.at_s = injected.target, injected.what, round(moment_s - began_s, 4)
        strike.takes_over, strike.ack_within_s = injected.takes_over, injected.ack_within_s
        strike.alone = injected.takes_over and went_solo_last(_lines_of(scene, injected.target))
        scene.may_stop = injected.may_stop
        _hold(scene, injected, moment_s)
    finally:
        healing_s = time.monotonic()
        fault.heal(scene)
    strike.healed_s = round(healing_s - began_s, 4)
    whole_s = max(scene.wait_until_whole(), healing_s)
    strike.whole_s, strike.rejoin_ms = round(whole_s - began_s, 4), _round((whole_s - healing_s) * 1000)
    scene.wait_for(lambda: scene.load.served_after(healing_s) is not None, "all clients", CLIENTS_TIMEOUT_S)
    scene.may_stop = frozenset()
    served = scene.load.served_after(moment_s)
    assert served is not None
    strike.served_ms = {name: _round((at_s - moment_s) * 1000) for name, at_s in served.items()}
    strike.takeover_ms, strike.all_clients_ms = min(strike.served_ms.values()), max(strike.served_ms.values())
    return strike


def _hold(scene: Scene, injected: Injected, moment_s: float) -> None:
    """Let the fault last as long as it wants."""
    if injected.hold_s:
        end_s = moment_s + injected.hold_s
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.05))
            scene.notice_ends()
    elif injected.ack_within_s is not None:
        scene.wait_for_ack(moment_s, injected.ack_within_s)


def _lines_of(scene: Scene, name: str) -> list[LogLine]:
    return [line for node in scene.nodes if node.name == name for line in log_lines(name, node.log)]


def went_solo_last(lines: list[LogLine]) -> bool:
    """Whether the last that a node said of the other's place in the row is that it put it out.

    On an overloaded machine that can happen between the look at the pair and the kill; with the only node that holds
    everything gone, the pair must wait for it.
    """
    told = [line.event for line in lines if line.event in {"became_active", "synced_in", "went_solo"}]
    return told[-1:] == ["went_solo"]


def availability(strikes: list[Strike]) -> Check:
    """Where the pair had to go on despite the fault, it did."""
    asked = [
        strike
        for strike in strikes
        if strike.ack_within_s is not None and strike.takeover_ms is not None and not strike.alone
    ]
    late = [
        f"{strike.what}: no acknowledgement for {strike.takeover_ms} ms"
        for strike in asked
        if strike.ack_within_s is not None
        and strike.takeover_ms is not None
        and strike.takeover_ms > strike.ack_within_s * 1000
    ]
    return Check(
        "availability", "where the pair can go on despite a fault, it does", len(asked), len(late), tuple(late)
    )


def _measure_gaps(scene: Scene, strikes: list[Strike], began_s: float) -> None:
    acks = np.sort(np.concatenate([np.array(history.acked_s) for history in scene.load.histories])) - began_s
    for strike in strikes:
        if strike.whole_s is None:
            continue
        within = acks[(acks > strike.at_s) & (acks < strike.whole_s)]
        times = np.concatenate([[strike.at_s], within, [strike.whole_s]])
        strike.gap_ms = _round(float(np.diff(times).max()) * 1000)


def _timeline(scene: Scene, report: ActReport, began_s: float) -> None:
    report.roles = [{**asdict(sample), "at_s": round(sample.at_s - began_s, 3)} for sample in scene.samples]
    report.notes = [(round(at_s - began_s, 3), text) for at_s, text in scene.notes]
    acks = np.concatenate([np.array(history.acked_s) for history in scene.load.histories]) - began_s
    acks = acks[acks >= 0]
    if len(acks):
        report.acks = np.bincount((acks / ACK_BUCKET_S).astype(np.int64)).tolist()


def _round(value: float) -> float:
    return round(value, 1)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
