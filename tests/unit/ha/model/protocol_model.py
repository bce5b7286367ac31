"""A model of the pair and its witness, small enough to walk through every order of events.

Two nodes, one row, a store, and a network in which everything ever sent may arrive late, often, in any order, or
never. Nodes crash, lose what they had not persisted, lose their disks, and suspect one another without reason. The
decisions are those of ``eiha.ha.rules``: handed in, so that a test can replace one of them and see what is lost.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from eiha.ha import rules as real_rules
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import Epoch, Incarnation, LogPosition, NodeId, Sequence
from eiha.protocol.peer_messages import PeerIdentity

NAMES = ("a", "b")
Log = tuple[tuple[int, int], ...]  # (epoch, event) of each entry


def rules_with(**planted: Any) -> SimpleNamespace:
    """The rules, some of them replaced."""
    return SimpleNamespace(**{**vars(real_rules), **planted})


@lru_cache
def identity_of(index: int, boot: int) -> PeerIdentity:
    """A node's name and disk."""
    return PeerIdentity(NodeId(NAMES[index]), Incarnation(f"{NAMES[index]}{boot}"))


class Row(WitnessRow):
    """A row whose hash is computed once."""

    __slots__ = ("_hash",)

    def __hash__(self) -> int:
        try:
            return self._hash  # type: ignore[has-type,no-any-return]
        except AttributeError:
            object.__setattr__(self, "_hash", hash((self.epoch, self.version, self.active, self.synced)))
            return self._hash


class Node(NamedTuple):
    """One node. ``disk``: how much of ``log`` survives a crash; ``asked``: the versions that its takes expect."""

    up: bool = True
    active: bool = False
    epoch: int = 0
    log: Log = ()
    disk: int = 0
    boot: int = 1
    row: WitnessRow | None = None
    required: PeerIdentity | None = None
    must_hold: int = 0
    sync_asked: int = -1
    peer: PeerIdentity | None = None
    acked: int = 0
    asked: frozenset[int] = frozenset()


class State(NamedTuple):
    """Everything. ``sent``: messages and requests, never removed."""

    nodes: tuple[Node, Node]
    row: WitnessRow
    sent: frozenset[tuple[Any, ...]]
    acknowledged: frozenset[int]
    store: tuple[int, ...]
    store_epoch: int
    crashes: int = 0
    wipes: int = 0


@dataclass(frozen=True)
class Bounds:
    """How far a walk may go."""

    events: int = 2
    epochs: int = 3
    versions: int = 6
    crashes: int = 2
    wipes: int = 1


class ProtocolModel:
    """The successor function and the promises. ``trusting_store``: the store checks neither progress nor epoch."""

    def __init__(self, rules: SimpleNamespace | None = None, bounds: Bounds = Bounds(), *,
                 trusting_store: bool = False, trusting_witness: bool = False) -> None:  # fmt: skip
        self.rules = rules or rules_with()
        self.bounds = bounds
        self.trusting_store = trusting_store
        self.trusting_witness = trusting_witness
        self._numbers: dict[tuple[Any, ...], int] = {}

    def in_order(self, sent: frozenset[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The messages in an order that does not depend on hashes: as they were first seen."""
        numbers = self._numbers
        fresh = [message for message in sent if message not in numbers]
        for message in sorted(fresh, key=repr):
            numbers[message] = len(numbers)
        return sorted(sent, key=numbers.__getitem__)

    @staticmethod
    def start() -> State:
        """Both nodes synced in epoch 1, nothing written."""
        a, b = (PeerIdentity(NodeId(name), Incarnation(f"{name}1")) for name in NAMES)
        row = Row("c", Epoch(1), a.node, a.incarnation, (a, b), 1, "")
        active = Node(active=True, epoch=1, row=row, required=b, peer=b)
        return State((active, Node(epoch=1)), row, frozenset(), frozenset(), (), 1)

    # -- promises ----------------------------------------------------------------------------------------------

    def broken(self, state: State) -> str | None:
        """Which promise ``state`` breaks; None: none."""
        for index, node in enumerate(state.nodes):
            if self.identity(index, node) in state.row.synced:
                events = [event for _, event in node.log]
                if not state.acknowledged <= set(events):
                    return f"{NAMES[index]} may take over and lacks an acknowledged event"
                if len(events) != len(set(events)):
                    return f"{NAMES[index]} counts an event twice"
        if len(state.store) != len(set(state.store)):
            return "an output is in the store twice"
        for index, node in enumerate(state.nodes):
            me = self.identity(index, node)
            if real_rules.holds_the_row(state.row, me.node, me.incarnation):
                events = [event for _, event in node.log]
                if list(state.store) != events[: len(state.store)]:
                    return "the store is not a prefix of what the active's log says"
        return None

    @staticmethod
    def identity(index: int, node: Node) -> PeerIdentity:
        return identity_of(index, node.boot)

    # -- steps -------------------------------------------------------------------------------------------------

    def successors(self, state: State) -> Iterator[tuple[str, State]]:
        """Everything that may happen next."""
        for index in (0, 1):
            node = state.nodes[index]
            if not node.up:
                yield f"{NAMES[index]} restarts", self._with(state, index, node._replace(up=True))
                continue
            yield from self._faults(state, index, node)
            if node.active:
                yield from self._active(state, index, node)
            else:
                yield from self._passive(state, index, node)
            yield from self._reads(state, index, node)
            if node.disk < len(node.log):
                yield f"{NAMES[index]} persists", self._with(state, index, node._replace(disk=len(node.log)))
        for message in self.in_order(state.sent):
            if message[0] == "swap":
                yield from self._swap(state, message)
            elif message[0] == "write":
                yield from self._write(state, message)

    @staticmethod
    def _with(state: State, index: int, node: Node, **changes: Any) -> State:
        nodes = (node, state.nodes[1]) if index == 0 else (state.nodes[0], node)
        return state._replace(nodes=nodes, **changes)

    def _faults(self, state: State, index: int, node: Node) -> Iterator[tuple[str, State]]:
        if state.crashes >= self.bounds.crashes:
            return
        name = NAMES[index]
        dead = Node(up=False, epoch=node.epoch, log=node.log[: node.disk], disk=node.disk, boot=node.boot)
        yield f"{name} crashes", self._with(state, index, dead, crashes=state.crashes + 1)
        if state.wipes < self.bounds.wipes:
            empty = Node(up=False, boot=node.boot + 1)
            yield (
                f"{name} crashes and loses its disk",
                self._with(state, index, empty, crashes=state.crashes + 1, wipes=state.wipes + 1),
            )

    def _committed(self, node: Node) -> int:
        required = () if node.required is None else (Sequence(node.acked if node.peer == node.required else 0),)
        return min(self.rules.commit_point(Sequence(node.disk), required), len(node.log))

    def _active(self, state: State, index: int, node: Node) -> Iterator[tuple[str, State]]:
        name, sent = NAMES[index], state.sent
        me = self.identity(index, node)
        for event in range(1, self.bounds.events + 1):
            taken = event if event in [e for _, e in node.log] else 0
            if len(node.log) <= self.bounds.events and not self.rules.is_duplicate(taken, event):
                yield (
                    f"{name} takes event {event}",
                    self._with(state, index, node._replace(log=(*node.log, (node.epoch, event)))),
                )
        append = ("append", index, node.epoch, node.log)
        if append not in sent:
            yield f"{name} ships {node.log}", state._replace(sent=sent | {append})
        committed = self._committed(node)
        for _, event in node.log[: self.rules.acknowledge_through(committed, len(node.log))]:
            if event not in state.acknowledged:
                yield f"{name} acknowledges {event}", state._replace(acknowledged=state.acknowledged | {event})
        for position, (_, event) in enumerate(node.log[: self.rules.release_through(committed, len(node.log))]):
            write = ("write", node.epoch, position, event)
            if write not in sent:
                yield f"{name} writes output {event} at {position}", state._replace(sent=sent | {write})
        yield from self._hears_acks(state, index, node)
        yield from self._membership(state, index, node, me)

    def _hears_acks(self, state: State, index: int, node: Node) -> Iterator[tuple[str, State]]:
        for message in self.in_order(state.sent):
            if message[0] != "ack" or message[1] == index:
                continue
            _, sender, epoch, boot, through = message
            peer = identity_of(sender, boot)
            if through > len(node.log):
                continue
            expected = node.required if node.required is not None else peer
            if not self.rules.ack_counts(Epoch(node.epoch), epoch, expected, peer.incarnation):
                continue
            acked = max(through, node.acked) if node.peer == expected else through
            heard = node._replace(peer=expected, acked=acked)
            if heard != node:
                yield f"{NAMES[index]} hears ack {through} of {peer.incarnation}", self._with(state, index, heard)

    def _membership(self, state: State, index: int, node: Node, me: PeerIdentity) -> Iterator[tuple[str, State]]:
        name, row, rules = NAMES[index], node.row, self.rules
        assert row is not None
        if node.required is None and node.peer is not None:
            yield (
                f"{name} requires {node.peer.incarnation}",
                self._with(state, index, node._replace(required=node.peer, must_hold=len(node.log))),
            )
        alone = rules.solo_is_recorded(row, me) and rules.solo_is_settled(row, node.sync_asked)
        if node.required is not None and alone:
            yield f"{name} commits alone", self._with(state, index, node._replace(required=None))
        if rules.next_version(row) > self.bounds.versions:
            return
        if node.required is not None:
            solo = replace(row, synced=(me,), version=rules.next_version(row))
            yield from self._ask(state, index, node, row, solo, "solo")
        peer = node.required or node.peer
        if (
            peer is not None
            and peer not in row.synced
            and rules.may_ask_sync_in(
                requires_peer=node.required == peer,
                acked=Sequence(node.acked if node.peer == peer else 0),
                must_hold=Sequence(max(node.must_hold, self._committed(node))),
            )
        ):
            both = replace(row, synced=(me, peer), version=rules.next_version(row))
            yield from self._ask(state, index, node._replace(sync_asked=row.version), row, both, "sync-in")

    def _ask(
        self, state: State, index: int, node: Node, before: WitnessRow, after: WitnessRow, what: str
    ) -> Iterator[tuple[str, State]]:
        swap = ("swap", before.version, before.epoch, after)
        if swap not in state.sent or node != state.nodes[index]:
            yield f"{NAMES[index]} asks for {what}", self._with(state, index, node, sent=state.sent | {swap})

    def _passive(self, state: State, index: int, node: Node) -> Iterator[tuple[str, State]]:
        name, rules = NAMES[index], self.rules
        me = self.identity(index, node)
        if rules.may_take(state.row, me) and state.row.epoch < self.bounds.epochs:
            taken = replace(
                state.row,
                epoch=Epoch(state.row.epoch + 1),
                active=me.node,
                active_incarnation=me.incarnation,
                synced=(me,),
                version=rules.next_version(state.row),
            )
            asking = node._replace(asked=node.asked | {state.row.version})
            yield from self._ask(state, index, asking, state.row, taken, "the row")
        for message in self.in_order(state.sent):
            if message[0] == "append" and message[1] != index:
                yield from self._append(state, index, node, message[2], message[3])
        through = rules.acknowledge_peer_through(_position(len(node.log)), _position(node.disk)).sequence
        ack = ("ack", index, node.epoch, node.boot, through)
        if node.epoch and ack not in state.sent:
            yield f"{name} acknowledges {through} in epoch {node.epoch}", state._replace(sent=state.sent | {ack})

    def _append(self, state: State, index: int, node: Node, epoch: int, log: Log) -> Iterator[tuple[str, State]]:
        # a newer epoch is joined: its log is taken as a whole; within an epoch a log only grows
        joins = epoch > node.epoch
        follows = self.rules.may_follow(Epoch(node.epoch), Epoch(epoch)) and (
            len(log) > len(node.log) or epoch != node.epoch
        )
        if not joins and not follows:
            return
        kept = 0
        while kept < min(node.disk, len(log)) and log[kept] == node.log[kept]:
            kept += 1
        after = node._replace(epoch=epoch, log=log, disk=kept)
        if after != node:
            yield f"{NAMES[index]} takes over the log of epoch {epoch}: {log}", self._with(state, index, after)

    def _reads(self, state: State, index: int, node: Node) -> Iterator[tuple[str, State]]:
        """A node sees the row as it is: it becomes active, steps down, or learns the version."""
        name, row = NAMES[index], state.row
        me = self.identity(index, node)
        mine = self.rules.holds_the_row(row, me.node, me.incarnation)
        if node.active and (not mine or row.epoch != node.epoch):
            yield f"{name} steps down", self._with(state, index, node._replace(active=False, required=None, peer=None))
        elif node.active and node.row != row:
            # whoever the row names beside this node is required: the code holds the same
            others = [member for member in row.synced if member != me]
            required = node.required or (others[0] if others else None)
            yield (
                f"{name} reads version {row.version}",
                self._with(state, index, node._replace(row=row, required=required)),
            )
        elif not node.active and mine and row.epoch > node.epoch and row.version - 1 in node.asked:
            won = node._replace(
                active=True, epoch=row.epoch, row=row, required=None, peer=None, acked=0, sync_asked=-1,
                must_hold=0, asked=frozenset(),
            )  # fmt: skip
            yield f"{name} is active in epoch {row.epoch}", self._with(state, index, won, store_epoch=row.epoch)

    def _swap(self, state: State, message: tuple[Any, ...]) -> Iterator[tuple[str, State]]:
        _, expected, epoch, row = message
        fits = state.row.version == expected or (self.trusting_witness and state.row.epoch == epoch)
        if fits and state.row != row and row.version <= self.bounds.versions:
            yield f"the witness is version {row.version}, epoch {row.epoch}", state._replace(row=row)

    def _write(self, state: State, message: tuple[Any, ...]) -> Iterator[tuple[str, State]]:
        _, epoch, position, event = message
        fits = (position == len(state.store) and epoch >= state.store_epoch) or self.trusting_store
        if fits and len(state.store) <= self.bounds.events:
            yield f"the store takes output {event}", state._replace(store=(*state.store, event))


def _position(sequence: int) -> LogPosition:
    return LogPosition(Sequence(sequence), Epoch(1))


@dataclass(frozen=True)
class Found:
    """What a search came to. ``story``: the steps to the broken promise, empty when none was found."""

    broken: str | None
    states: int
    story: tuple[str, ...] = ()
    exhausted: bool = False


def search(model: ProtocolModel, states_max: int) -> Found:
    """Breadth first through every state within the bounds."""
    first = model.start()
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    todo = deque([first])
    while todo and len(came_from) < states_max:
        state = todo.popleft()
        for label, after in model.successors(state):
            if after in came_from:
                continue
            came_from[after] = (state, label)
            broken = model.broken(after)
            if broken is not None:
                return Found(broken, len(came_from), _story(came_from, after))
            todo.append(after)
    return Found(None, len(came_from), exhausted=not todo)


def _story(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    labels: list[str] = []
    while (step := came_from[state]) is not None:
        state, label = step
        labels.append(label)
    return tuple(reversed(labels))


def walk(model: ProtocolModel, *, walks: int, depth: int, seed: int) -> Found:
    """Random walks; each leans towards some kinds of steps, so that rare orders come up."""
    rng = random.Random(seed)
    states = 0
    for _ in range(walks):
        state, story = model.start(), []
        lean: dict[str, float] = {}
        for _ in range(depth):
            steps = list(model.successors(state))
            if not steps:
                break
            weights = [lean.setdefault(" ".join(label.split()[1:3]), rng.random() ** 2 + 0.02) for label, _ in steps]
            label, state = rng.choices(steps, weights)[0]
            story.append(label)
            states += 1
            broken = model.broken(state)
            if broken is not None:
                return Found(broken, states, tuple(story))
    return Found(None, states)
