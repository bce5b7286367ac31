"""The verdict on a run: what each promise says of the histories. Nothing here knows how the system works.

Each check takes what was recorded and gives its findings; none means that the promise held. ``test_checks.py`` shows
each of them a history in which it was broken.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

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

EXAMPLES_MAX: Final = 5
"""Findings of one check that are told in full; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise: how many times it was broken, out of how many things looked at, and the first few cases."""

    name: str
    promise: str
    looked_at: int
    broken: int
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it was never broken."""
        return self.broken == 0


def _check(name: str, promise: str, looked_at: int, findings: Iterable[str]) -> Check:
    found = list(findings)
    return Check(name, promise, looked_at, len(found), tuple(found[:EXAMPLES_MAX]))


# clients against the event store


def acknowledged_is_stored(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """Every row of an acknowledged publication is in the event store."""
    findings: list[str] = []
    looked_at = 0
    for history in clients:
        acked = np.flatnonzero(~np.isnan(np.array(history.acked_s)))
        wanted = (acked[:, None] * history.rows + np.arange(history.rows)).ravel()
        looked_at += len(wanted)
        missing = np.setdiff1d(wanted, events.number[events.client == history.client])
        findings += [f"client {history.client} ({history.kind}): row {row} was acknowledged" for row in missing]
    return _check("acknowledged is stored", "no acknowledged event is lost", looked_at, findings)


def stored_once(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """No row is in the event store twice."""
    del clients
    counted = Counter(zip(events.client.tolist(), events.number.tolist(), strict=True))
    findings = (f"client {client}, row {row}: {times} times" for (client, row), times in counted.items() if times > 1)
    return _check("stored once", "no event is counted twice", len(events), findings)


def stored_was_sent(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """What is stored is what was sent, value for value; nothing that was refused is among it."""
    findings: list[str] = []
    known = {history.client for history in clients}
    strangers = set(events.client.tolist()) - known
    findings += [f"client {client} is not one of this run" for client in sorted(strangers)]
    for history in clients:
        mine = np.flatnonzero(events.client == history.client)
        numbers = events.number[mine]
        outside = (numbers < 0) | (numbers >= history.publications * history.rows)
        findings += [f"client {history.client}: row {row} was never sent" for row in numbers[outside]]
        refused = np.isin(numbers // history.rows, list(history.refused))
        findings += [f"client {history.client}: row {row} was refused, but is stored" for row in numbers[refused]]
        if not history.publications:
            continue
        sent = [column.to_list() for column in history.batch(0, history.publications).columns]
        for at, number in zip(mine[~outside].tolist(), numbers[~outside].tolist(), strict=True):
            values = (sent[2][number], sent[3][number], sent[4][number])
            if events.rest[at] != values:
                findings.append(f"client {history.client}, row {number}: sent {values}, stored {events.rest[at]}")
            own_time_ms = history.time_ms[number // history.rows] if history.is_stamped else events.log_time_ms[at]
            if events.event_time_ms[at] != own_time_ms:
                findings.append(f"client {history.client}, row {number}: event time {events.event_time_ms[at]}")
    return _check("stored was sent", "no event is invented or altered", len(events), findings)


def publications_are_whole(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """The rows of a publication stand together, in order, in one entry of the log."""
    findings: list[str] = []
    looked_at = 0
    for history in clients:
        mine = np.flatnonzero(events.client == history.client)
        numbers = events.number[mine]
        first = mine[numbers % history.rows == 0]
        looked_at += len(first)
        for at in first.tolist():
            rows = slice(at, at + history.rows)
            whole = np.arange(events.number[at], events.number[at] + history.rows)
            together = (
                np.array_equal(events.number[rows], whole)
                and (events.client[rows] == history.client).all()
                and (events.sequence[rows] == events.sequence[at]).all()
            )
            if not together:
                findings.append(f"client {history.client}: publication {events.number[at] // history.rows}")
    return _check("publications are whole", "a publication is in one entry, whole", looked_at, findings)


def client_order(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """Each client's rows are in the log in the order it sent them."""
    findings: list[str] = []
    for history in clients:
        numbers = events.number[events.client == history.client]
        back = np.flatnonzero(np.diff(numbers) < 0)
        findings += [
            f"client {history.client}: row {numbers[at + 1]} comes after row {numbers[at]}" for at in back.tolist()
        ]
    return _check("client order", "each client's events are in the order it sent them", len(events), findings)


def real_time_order(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """What was acknowledged before something else was sent, by whomever, comes before it in the log."""
    place: dict[tuple[int, int], int] = {}
    for client, number, sequence in zip(
        events.client.tolist(), events.number.tolist(), events.sequence.tolist(), strict=True
    ):
        place.setdefault((client, number), sequence)
    sent: list[tuple[float, int, str]] = []
    acked: list[tuple[float, int]] = []
    for history in clients:
        for number, (sent_s, acked_s) in enumerate(zip(history.sent_s, history.acked_s, strict=True)):
            sequence = place.get((history.client, number * history.rows))
            if sequence is None:
                continue
            sent.append((sent_s, sequence, f"client {history.client}, publication {number}"))
            if acked_s == acked_s:
                acked.append((acked_s, sequence))
    acked.sort()
    findings: list[str] = []
    newest = done = 0
    for sent_s, sequence, name in sorted(sent):
        while done < len(acked) and acked[done][0] < sent_s:
            newest = max(newest, acked[done][1])
            done += 1
        if sequence < newest:
            findings.append(f"{name} is at {sequence}, but {newest} was acknowledged before it was sent")
    return _check("real-time order", "what was acknowledged stays before what is sent later", len(sent), findings)


def log_time_order(clients: Sequence[ClientHistory], events: StoredEvents) -> Check:
    """Log time never goes back."""
    del clients
    back = np.flatnonzero(np.diff(events.log_time_ms) < 0)
    findings = (f"entry {events.sequence[at + 1]}: {events.log_time_ms[at + 1]} ms" for at in back.tolist())
    return _check("log time", "log time never goes back", len(events), findings)


ON_EVENTS: Final[tuple[Callable[[Sequence[ClientHistory], StoredEvents], Check], ...]] = (
    acknowledged_is_stored,
    stored_once,
    stored_was_sent,
    publications_are_whole,
    client_order,
    real_time_order,
    log_time_order,
)


# outputs


def outputs_are_the_reference(
    reference: dict[str, list[tuple[Any, ...]]], stored: Sequence[StoredOutputs]
) -> tuple[Check, ...]:
    """Of each stream: the stored rows are those of the undisturbed run, each once, in order."""
    return tuple(_outputs(each.stream, reference.get(each.stream, []), each.rows) for each in stored)


def _outputs(stream: str, wanted: list[tuple[Any, ...]], stored: list[tuple[Any, ...]]) -> Check:
    promise = "the outputs are those of an undisturbed run, each once"
    name = f"outputs of {stream}"
    if wanted == stored:
        return _check(name, promise, len(wanted), ())
    lacking, extra = Counter(wanted), Counter(stored)
    missing, added = lacking - extra, extra - lacking
    findings = [f"missing: {row}" for row in missing.elements()] + [f"not expected: {row}" for row in added.elements()]
    if not findings:
        at = next(i for i, (mine, theirs) in enumerate(zip(wanted, stored, strict=True)) if mine != theirs)
        findings = [f"out of order from row {at}: {stored[at]} in place of {wanted[at]}"]
    # one of each sort first: what is missing and what stands in its place
    findings.sort(key=lambda text: text.partition(": ")[2])
    return _check(name, promise, len(wanted), findings)


# witness, roles, nodes


def witness_history_is_sound(changes: Sequence[WitnessChange]) -> Check:
    """Versions rise by one, epochs by at most one; an epoch has one active; only who was synced takes over."""
    findings: list[str] = []
    for before, after in itertools.pairwise(changes):
        name = f"version {after.version}"
        if after.version != before.version + 1:
            findings.append(f"{name} follows {before.version}")
        if after.epoch not in (before.epoch, before.epoch + 1):
            findings.append(f"{name}: epoch {after.epoch} follows {before.epoch}")
        if after.epoch == before.epoch and after.active != before.active:
            findings.append(f"{name}: epoch {after.epoch} passes from {before.active[0]} to {after.active[0]}")
        if after.epoch != before.epoch and after.active not in before.synced:
            findings.append(f"{name}: {after.active[0]} takes over, but was not synced")
    findings += [
        f"version {each.version}: the active is not synced" for each in changes if each.active not in each.synced
    ]
    return _check("witness", "versions and epochs rise by one, only who is synced takes over", len(changes), findings)


def one_active_an_epoch(
    lines: Sequence[LogLine], samples: Sequence[RoleSample], changes: Sequence[WitnessChange]
) -> Check:
    """At most one process was ever active in an epoch, and it is the one that the witness names."""
    findings: list[str] = []
    claims: dict[int, set[tuple[str, int]]] = {}
    for line in lines:
        if line.event == "became_active":
            claims.setdefault(line.epoch, set()).add((line.node, line.start))
    for epoch, who in sorted(claims.items()):
        if len(who) > 1:
            findings.append(f"epoch {epoch}: {', '.join(f'{node} (start {start})' for node, start in sorted(who))}")
    named = {each.epoch: each.active[0] for each in changes}
    seen = {(sample.epoch, sample.node) for sample in samples if sample.role == "active"}
    for epoch, node in sorted(seen | {(epoch, node) for epoch, who in claims.items() for node, _ in who}):
        if named.get(epoch) != node:
            findings.append(f"epoch {epoch}: {node} was active, the witness names {named.get(epoch)}")
    return _check("one active an epoch", "never two actives in one epoch", len(claims), findings)


def states_are_equal(lines: Sequence[LogLine], digests: Sequence[Digest]) -> Check:
    """The nodes never saw their states differ, and at the end they are equal."""
    findings = [f"{line.node}: {line.message}" for line in lines if line.event == "digest_mismatch"]
    if len({(digest.sequence, digest.digest) for digest in digests}) > 1:
        findings.append("; ".join(f"{each.node} at {each.sequence}: {each.digest}" for each in digests))
    return _check("states are equal", "equal sequence, equal state", len(digests), findings)


def no_node_ended_by_itself(ends: Sequence[UnexpectedEnd], starts: int) -> Check:
    """Nodes end when they are killed or told to."""
    findings = (f"{end.node} ended with {end.status}: {end.tail}" for end in ends)
    return _check("no node ended by itself", "no fault but an intended one stops a process", starts, findings)


def no_unexpected_error(lines: Sequence[LogLine]) -> Check:
    """No plan failed, and no node met an error that it did not expect."""
    findings = [
        f"{line.node}: {line.event}: {line.message}" for line in lines if line.event in ("plan_fault", "traceback")
    ]
    return _check("no unexpected error", "nodes log no error that nobody made", len(lines), findings)
