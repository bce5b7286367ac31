"""From a finished scene to its checks: reads stores, witness and logs, and asks every checker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from tests.chaos import checks
from tests.chaos.checks import Check
from tests.chaos.history import Digest, LogLine, StoredOutputs
from tests.chaos.reference import reference_outputs
from tests.chaos.scene import Scene
from tests.chaos.stores import stored_events, stored_outputs, witness_history
from tests.chaos.watch import log_lines
from tests.chaos.workload import OUTPUTS

ACKS_TIMEOUT_S: Final = 120.0
DRAIN_TIMEOUT_S: Final = 120.0
DIGEST_TIMEOUT_S: Final = 30.0


def settle(scene: Scene) -> list[Digest]:
    """Let everything come to rest: all acknowledged, all written, states compared; the digests at the end.

    Raises:
        SceneError, TimeoutError: it does not come to rest; the pair is safe perhaps, but does not work.
    """
    try:
        scene.load.finish(ACKS_TIMEOUT_S)
    finally:
        # also after a client failed: what was acknowledged must be in the stores
        scene.wait_until_whole()
        scene.wait_for(lambda: _is_written(scene), "the stores to take everything", DRAIN_TIMEOUT_S)
    found: list[Digest] = []

    def compared() -> bool:
        found[:] = [_digest(node.name, node.get("/status")[1]) for node in scene.nodes]
        return found[0].sequence == found[1].sequence

    scene.wait_for(compared, "both nodes to have a digest of the same sequence", DIGEST_TIMEOUT_S)
    return found


def judge(scene: Scene, digests: Sequence[Digest]) -> tuple[list[Check], dict[str, int]]:
    """Every check, and how much was looked at."""
    pair, clients = scene.pair, scene.load.histories
    events = stored_events(_url(scene, pair.event_store_url))
    outputs = [stored_outputs(_url(scene, pair.processed_store_url), name, OUTPUTS[name]) for name in OUTPUTS]
    lines = [line for node in scene.nodes for line in log_lines(node.name, node.log)]
    samples = list(scene.samples)
    # last of all: nodes that still run may change roles, and what they say of it must be found there
    witness = witness_history(_url(scene, f"sqlite+aiosqlite:///{pair.directory.resolve()}/witness.db"))
    found = [check(clients, events) for check in checks.ON_EVENTS]
    if all(check.holds for check in found):
        tagged = next(each for each in outputs if each.stream == "Tagged")
        reference = reference_outputs(clients, events, tagged)
        found += checks.outputs_are_the_reference(reference, outputs)
    found.append(checks.witness_history_is_sound(witness))
    found.append(checks.one_active_an_epoch(lines, samples, witness))
    found.append(checks.states_are_equal(lines, digests))
    found.append(checks.no_node_ended_by_itself(scene.ends, scene.starts))
    found.append(checks.no_unexpected_error(lines))
    return found, _totals(scene, outputs, lines, len(events), witness[-1].epoch if witness else 0)


def _totals(
    scene: Scene, outputs: Sequence[StoredOutputs], lines: Sequence[LogLine], events: int, epochs: int
) -> dict[str, int]:
    return {
        "publications_sent": sum(history.publications for history in scene.load.histories),
        "publications_acknowledged": scene.load.acknowledged,
        "events_stored": events,
        "outputs_stored": sum(len(each.rows) for each in outputs),
        "epochs": epochs,
        "node_starts": scene.starts,
        "snapshots_restored": sum(line.event == "snapshot_restored" for line in lines),
    }


def _url(scene: Scene, embedded: str) -> str:
    return scene.database_url or embedded


def _is_written(scene: Scene) -> bool:
    for node in scene.nodes:
        _, status = node.get("/status")
        if not isinstance(status, dict):
            return False
        behind = status["applied_through"] < status["committed_through"] or status["peer_lag_entries"]
        if behind or status["outbox_rows"] or status["pending_publications"]:
            return False
    return True


def _digest(node: str, status: Any) -> Digest:
    if not isinstance(status, dict):
        return Digest(node, -time.monotonic_ns(), "")
    return Digest(node, status["digest_sequence"], status["digest"])
