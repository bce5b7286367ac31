"""Each checker is shown a sound history and one in which its promise was broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.chaos import checks
from tests.chaos.history import (
    ClientHistory,
    Digest,
    LogLine,
    RoleSample,
    StoredEvents,
    StoredOutputs,
    UnexpectedEnd,
    WitnessChange,
)
from tests.chaos.reference import reference_outputs
from tests.chaos.workload import OUTPUTS

ROWS = 3
PUBLICATIONS = 8


def clients() -> list[ClientHistory]:
    """Two, one of them over HTTP; each publication is acknowledged before the next is sent."""
    found = []
    for client, kind in ((1, "columns"), (2, "http")):
        sent_s = [number + client / 10 for number in range(PUBLICATIONS)]
        acked_s = [at + 0.05 for at in sent_s]
        times = [1_000 * number for number in range(PUBLICATIONS)]
        found.append(ClientHistory(client, kind, ROWS, sent_s, acked_s, times))
    return found


def stored(order: list[tuple[int, int]] | None = None) -> StoredEvents:
    """What a sound system stored: publications alternate, each an entry of its own from sequence 10 on."""
    by_number = {history.client: history for history in clients()}
    order = order or [(client, number) for number in range(PUBLICATIONS) for client in (1, 2)]
    columns: list[list[int]] = [[], [], [], [], [], []]
    rest: list[tuple[Any, ...]] = []
    for at, (client, number) in enumerate(order):
        history = by_number[client]
        log_time_ms = 5_000 + at
        values = [column.to_list() for column in history.batch(number).columns]
        for ordinal in range(ROWS):
            event_time_ms = history.time_ms[number] if history.is_stamped else log_time_ms
            row = (10 + 2 * at, ordinal, event_time_ms, log_time_ms, client, number * ROWS + ordinal)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            rest.append(tuple(column[ordinal] for column in values[2:]))
    return StoredEvents(*(np.array(column, dtype=np.int64) for column in columns), rest)


def without(events: StoredEvents, rows: list[int]) -> StoredEvents:
    keep = [at for at in range(len(events)) if at not in rows]
    return taken(events, keep)


def taken(events: StoredEvents, rows: list[int]) -> StoredEvents:
    names = ("sequence", "ordinal", "event_time_ms", "log_time_ms", "client", "number")
    return StoredEvents(*(getattr(events, name)[rows] for name in names), [events.rest[at] for at in rows])


def altered(events: StoredEvents, name: str, row: int, value: int) -> StoredEvents:
    column = getattr(events, name).copy()
    column[row] = value
    return replace(events, **{name: column})


def swapped(first: int, second: int) -> StoredEvents:
    """Publications of client 1 change places."""
    order = [(client, number) for number in range(PUBLICATIONS) for client in (1, 2)]
    at, other = order.index((1, first)), order.index((1, second))
    order[at], order[other] = order[other], order[at]
    return stored(order)


@pytest.mark.parametrize("check", checks.ON_EVENTS, ids=lambda each: each.__name__)
def test_a_sound_history_breaks_no_promise(check: Callable[..., checks.Check]) -> None:
    found = check(clients(), stored())
    assert found.holds, found
    assert found.looked_at > 0


@pytest.mark.parametrize(
    ("check", "events", "told"),
    [
        (checks.acknowledged_is_stored, without(stored(), [7]), "row 4 was acknowledged"),
        (checks.stored_once, taken(stored(), [*range(48), 5]), "row 2: 2 times"),
        (checks.stored_was_sent, altered(stored(), "number", 47, 99), "row 99 was never sent"),
        (checks.stored_was_sent, altered(stored(), "client", 0, 7), "client 7 is not one of this run"),
        (checks.stored_was_sent, altered(stored(), "event_time_ms", 0, 1), "client 1, row 0: event time 1"),
        (checks.stored_was_sent, replace(stored(), rest=[("S0", 1.5, 2), *stored().rest[1:]]), "stored ('S0', 1.5, 2)"),
        (checks.publications_are_whole, altered(stored(), "sequence", 2, 11), "client 1: publication 0"),
        (checks.publications_are_whole, without(stored(), [4]), "client 2: publication 0"),
        (checks.client_order, swapped(2, 3), "row 6 comes after row 11"),
        (checks.real_time_order, swapped(2, 3), "client 2, publication 2"),
        (checks.log_time_order, altered(stored(), "log_time_ms", 47, 4_000), "4000 ms"),
    ],
)
def test_a_planted_fault_is_found(check: Callable[..., checks.Check], events: StoredEvents, told: str) -> None:
    found = check(clients(), events)
    assert not found.holds
    assert any(told in example for example in found.examples), found.examples


def test_what_was_not_acknowledged_may_be_missing() -> None:
    histories = clients()
    histories[0].acked_s[-1] = float("nan")
    missing = [at for at in range(48) if (stored().client[at], stored().number[at] // ROWS) == (1, PUBLICATIONS - 1)]
    assert checks.acknowledged_is_stored(histories, without(stored(), missing)).holds
    assert not checks.acknowledged_is_stored(clients(), without(stored(), missing)).holds


def test_what_was_refused_must_not_be_stored() -> None:
    histories = clients()
    histories[0].refused[3] = "WrongSchema"
    assert any("refused, but is stored" in each for each in checks.stored_was_sent(histories, stored()).examples)


def test_publications_that_are_under_way_at_once_may_be_in_any_order_among_clients() -> None:
    histories = clients()
    histories[0].acked_s = [at + 0.5 for at in histories[0].sent_s]
    order = [(client, number) for number in range(PUBLICATIONS) for client in (2, 1)]
    assert checks.real_time_order(histories, stored(order)).holds
    assert not checks.real_time_order(clients(), stored(order)).holds


def outputs() -> dict[str, list[tuple[Any, ...]]]:
    return reference_outputs(clients(), stored(), StoredOutputs("Tagged", []))


def test_the_reference_run_puts_out_a_row_of_the_average_for_every_event() -> None:
    rows = outputs()["Average"]
    assert [(row[0], row[1]) for row in rows] == list(
        zip(stored().sequence.tolist(), stored().ordinal.tolist(), strict=True)
    )
    assert [(row[3], row[4]) for row in rows] == list(
        zip(stored().client.tolist(), stored().number.tolist(), strict=True)
    )


def test_a_replaced_plan_is_replaced_in_the_reference_before_the_first_event_that_shows_it() -> None:
    positions = stored().sequence.tolist()
    versions = [1 if position < 24 else 2 for position in positions]
    shown = [
        (position, ordinal, 0, 0, 0, version, 0)
        for position, ordinal, version in zip(positions, stored().ordinal.tolist(), versions, strict=True)
        if position >= 14
    ]
    rows = reference_outputs(clients(), stored(), StoredOutputs("Tagged", shown))["Tagged"]
    assert [(row[0], row[1], row[5]) for row in rows] == [(row[0], row[1], row[5]) for row in shown]
    # the window goes on over the replacement
    assert [row[6] for row in rows] == [min(40, count) for count in range(1, len(rows) + 1)]
    assert len(OUTPUTS["Tagged"]) == len(rows[0]) - 3


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: rows[:-1], "missing"),
        (lambda rows: [*rows, rows[0]], "not expected"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "out of order from row 0"),
        (lambda rows: [(*rows[0][:-1], -1), *rows[1:]], "missing"),
    ],
    ids=["lost", "twice", "out of order", "altered"],
)
def test_outputs_that_are_not_those_of_the_reference_are_found(
    spoil: Callable[[list[tuple[Any, ...]]], list[tuple[Any, ...]]], told: str
) -> None:
    wanted = outputs()
    (sound,) = checks.outputs_are_the_reference(wanted, [StoredOutputs("Average", wanted["Average"])])
    assert sound.holds
    (spoiled,) = checks.outputs_are_the_reference(wanted, [StoredOutputs("Average", spoil(wanted["Average"]))])
    assert not spoiled.holds
    assert any(told in example for example in spoiled.examples)


A, B, OTHER_B = ("node1", "disk a"), ("node2", "disk b"), ("node2", "another disk")
SOUND = [
    WitnessChange(1, 1, A, (A,), "founds"),
    WitnessChange(2, 1, A, (A, B), "caught up"),
    WitnessChange(3, 2, B, (B,), "takes"),
    WitnessChange(4, 2, B, (B, A), "caught up"),
]


def test_a_sound_history_of_the_witness_breaks_no_promise() -> None:
    assert checks.witness_history_is_sound(SOUND).holds


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([*SOUND[:2], SOUND[3]], "version 4 follows 2"),
        ([*SOUND[:3], replace(SOUND[3], epoch=4)], "epoch 4 follows 2"),
        ([*SOUND[:3], replace(SOUND[3], active=A)], "epoch 2 passes from node2 to node1"),
        ([*SOUND[:2], replace(SOUND[2], active=OTHER_B, synced=(OTHER_B,))], "node2 takes over, but was not synced"),
        ([*SOUND[:3], replace(SOUND[3], synced=(A,))], "version 4: the active is not synced"),
    ],
    ids=["a change is missing", "an epoch is missing", "two actives", "another disk", "not synced itself"],
)
def test_an_unsound_history_of_the_witness_is_found(changes: list[WitnessChange], told: str) -> None:
    assert any(told in example for example in checks.witness_history_is_sound(changes).examples)


def became_active(node: str, start: int, epoch: int) -> LogLine:
    return LogLine(node, start, "INFO", "became_active", epoch, "", 0.0)


def test_one_active_an_epoch_is_what_logs_and_answers_say_as_the_witness_has_it() -> None:
    lines = [became_active("node1", 1, 1), became_active("node2", 1, 2)]
    samples = [RoleSample(0.0, "node1", "active", "synced", 1), RoleSample(9.0, "node2", "active", "solo", 2)]
    assert checks.one_active_an_epoch(lines, samples, SOUND).holds
    both = checks.one_active_an_epoch([*lines, became_active("node1", 2, 2)], samples, SOUND)
    assert "epoch 2: node1 (start 2), node2 (start 1)" in both.examples
    liar = checks.one_active_an_epoch(lines, [RoleSample(5.0, "node1", "active", "solo", 2)], SOUND)
    assert liar.examples == ("epoch 2: node1 was active, the witness names node2",)


def test_states_that_differ_are_found() -> None:
    same = [Digest("node1", 64, "aa"), Digest("node2", 64, "aa")]
    assert checks.states_are_equal([], same).holds
    assert not checks.states_are_equal([], [same[0], Digest("node2", 64, "bb")]).holds
    mismatch = LogLine("node1", 1, "ERROR", "digest_mismatch", 1, "at 64", 0.0)
    assert not checks.states_are_equal([mismatch], same).holds


def test_a_node_that_ended_by_itself_and_a_plan_that_failed_are_found() -> None:
    assert checks.no_node_ended_by_itself([], 2).holds
    assert not checks.no_node_ended_by_itself([UnexpectedEnd("node1", 0.0, 1, "")], 2).holds
    assert checks.no_unexpected_error([became_active("node1", 1, 1)]).holds
    assert not checks.no_unexpected_error([LogLine("node1", 1, "ERROR", "plan_fault", 1, "", 0.0)]).holds
