"""The general machine: partial matches that wait for steps, moved by events and by time as the state table says.

Each state has two lists of matches: those that *wait* for an event, and *fresh* ones that came by the current event,
which cannot serve them any more. In a sequence every event empties all waiting lists first: what it does not
take further is gone.
"""

from __future__ import annotations

from typing import Any, Final, assert_never

from eiha.engine.operator import OperatorState
from eiha.engine.patterns.captured import NEVER, NOTHING_CAME, Event, MatchTable, PartialMatch, matches_of
from eiha.engine.patterns.state_table import NONE, State, StateKind
from eiha.engine.patterns.step_check import StepCheck

_SWEEP_FROM: Final = 16


class Waiting:
    """What a state holds.

    Args:
        waiting: matches that the next event may serve, oldest first.
        fresh: matches that came by the current event.
        begun: the first match was made.
        active: an absent start that is not repeated goes off once.
        renew: an optional first step begins anew with the next event.
        wait_until_ms: when the wait of an absent step that began last is over.
        arrived_ms: when the event that must be absent came last, 0 for not at all.
        alarms: moments at which an absent step looks at its matches, rising.
        sweep_from: how many may wait before those are looked for that a partner completed.
    """

    __slots__ = ("active", "alarms", "arrived_ms", "begun", "fresh", "renew", "sweep_from", "wait_until_ms", "waiting")

    def __init__(self) -> None:
        self.waiting: list[PartialMatch] = []
        self.fresh: list[PartialMatch] = []
        self.begun = False
        self.active = True
        self.renew = False
        self.wait_until_ms = 0
        self.arrived_ms = 0
        self.alarms: list[int] = []
        self.sweep_from = _SWEEP_FROM


class Machine:
    """The state of one pattern.

    Args:
        states: by position.
        checks: the conditions, by position.
        is_sequence: whether events that do not fit interrupt.
        within_ms: None for no bound.

    Complete matches are appended to ``found``.
    """

    def __init__(
        self, states: tuple[State, ...], checks: tuple[StepCheck, ...], within_ms: int | None, *, is_sequence: bool
    ) -> None:
        self._states = states
        self._checks = checks
        self._within_ms = within_ms
        self._is_sequence = is_sequence
        self._starts = tuple(state.position for state in states if state.starts)
        # pairs count as one element: in the order of the text, and of a pair the one that does not lead comes first
        self._ordered = sorted(states, key=lambda state: (state.element, state.leads))
        self._elements = [state for state in self._ordered if state.partner == NONE or not state.leads]
        self.held = [Waiting() for _ in states]
        self.found: list[PartialMatch] = []
        for state in self._ordered:
            self._begin(state)

    # --- what comes from outside

    def start(self, now_ms: int) -> None:
        """The clock begins to run: absent steps at the start wait from now on."""
        for position in self._starts:
            state = self._states[position]
            if state.wait_ms is not None:
                if state.kind is StateKind.ABSENT:
                    self.held[position].wait_until_ms = now_ms + state.wait_ms
                self._set_alarm(position, now_ms + state.wait_ms)

    def pass_event(self, timestamp: int, stream: str) -> None:
        """An event of ``stream`` is about to come: what is too old goes, fresh matches wait."""
        if self._within_ms is not None:
            for state in self._ordered:
                self._expire(state, timestamp)
        if self._is_sequence:
            for state in reversed(self._elements):
                self._interrupt(state)
            for state in self._elements:
                self._settle(state)
        else:
            for state in self._elements:
                if state.stream == stream or (state.partner != NONE and self._states[state.partner].stream == stream):
                    self._settle(state)

    def serve(self, position: int, event: Event, now_ms: int, *, possible: bool) -> None:
        """Show the event to the matches that wait at ``position``; ``possible``: by what it says of itself.

        Raises:
            EngineFault: the condition cannot be computed.
        """
        state, held = self._states[position], self.held[position]
        if state.is_absent and not held.active:
            return
        if not held.waiting:
            return
        matches = self._without_served(state, held.waiting)
        if possible:
            holds = self._checks[position].holds(matches, event, now_ms)
            serves = [True] * len(matches) if holds is None else holds
        else:
            serves = [False] * len(matches)
        kept: list[PartialMatch] = []
        for match, serve in zip(matches, serves, strict=True):
            stays = self._take(state, match, event) if serve else self._miss(state)
            if stays:
                kept.append(match)
        held.waiting = kept

    def is_idle(self, start: int) -> bool:
        """Whether nothing has begun: at ``start``, where it can always begin anew, and elsewhere."""
        held = self.held[start]
        if held.waiting and (len(held.waiting) > 1 or held.waiting[0].timestamp != NEVER):
            return False
        if held.fresh and (len(held.fresh) > 1 or held.fresh[0].timestamp != NEVER):
            return False
        for position, each in enumerate(self.held):
            if position != start and (each.waiting or each.fresh or each.alarms):
                return False
        return True

    def next_lapse_ms(self) -> int | None:
        """The last moment before which no match gets too old; None if there is none that could."""
        assert self._within_ms is not None
        earliest: int | None = None
        for held in self.held:
            for match in (*held.waiting[:1], *held.fresh):
                for position in self._starts:
                    taken = match.events[position]
                    first = taken[0] if isinstance(taken, list) else taken
                    if first is None or first is NOTHING_CAME:
                        continue
                    if earliest is None or first.timestamp < earliest:
                        earliest = first.timestamp
        return None if earliest is None else earliest + self._within_ms

    def next_alarm(self) -> tuple[int, int] | None:
        """The earliest alarm and its position."""
        return min(((held.alarms[0], position) for position, held in enumerate(self.held) if held.alarms), default=None)

    def fire(self, now_ms: int) -> None:
        """Let the earliest alarm go off."""
        alarm = self.next_alarm()
        assert alarm is not None
        due, position = alarm
        held = self.held[position]
        held.alarms.pop(0)
        if not held.active:
            return
        state = self._states[position]
        if state.kind is StateKind.ABSENT:
            self._end_wait(state, due, now_ms)
        else:
            self._end_wait_of_pair(state, due, now_ms)

    def snapshot(self) -> OperatorState:
        """All matches, and what each state holds."""
        table = MatchTable()
        held = [
            {
                "waiting": table.numbers(each.waiting),
                "fresh": table.numbers(each.fresh),
                "flags": [each.begun, each.active, each.renew],
                "times": [each.wait_until_ms, each.arrived_ms],
                "alarms": list(each.alarms),
            }
            for each in self.held
        ]
        return {"held": held, "found": table.numbers(self.found), **table.state()}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        matches = matches_of(state)
        saved: Any
        for each, saved in zip(self.held, state["held"], strict=True):
            each.waiting = [matches[number] for number in saved["waiting"]]
            each.fresh = [matches[number] for number in saved["fresh"]]
            each.begun, each.active, each.renew = saved["flags"]
            each.wait_until_ms, each.arrived_ms = saved["times"]
            each.alarms = list(saved["alarms"])
        self.found = [matches[number] for number in state["found"]]

    # --- matches begin and wait

    def _begin(self, state: State) -> None:
        """A new match where one may begin: the first ever, or any that ``every`` allows."""
        held = self.held[state.position]
        waits_next = state.follower != NONE and self._states[state.follower].is_absent
        repeats = state.again != NONE or (self._is_sequence and waits_next)
        if state.starts and (repeats or not held.begun):
            self._hand_on(state.position, PartialMatch(len(self._states)))
            held.begun = True

    def _hand_on(self, position: int, match: PartialMatch) -> None:
        """``match`` waits at ``position`` from the next event on."""
        state, held = self._states[position], self.held[position]
        match state.kind:
            case StateKind.SINGLE | StateKind.COUNTED:
                if not (self._is_sequence and held.fresh):
                    held.fresh.append(match)
                if state.least == 0 and match.events[position] is None:
                    self._enough(state, match)
            case StateKind.PAIRED:
                self._hand_to_pair(state, match)
            case StateKind.ABSENT:
                if not held.active:
                    return
                if self._is_sequence:
                    held.fresh.clear()
                held.fresh.append(match)
                if not state.starts:
                    assert state.wait_ms is not None
                    held.wait_until_ms = match.timestamp + state.wait_ms
                    self._set_alarm(position, held.wait_until_ms)
            case StateKind.PAIRED_ABSENT:
                if not held.active:
                    return
                self._hand_to_pair(state, match)
                for each in (state, self._states[state.partner]):
                    if not state.starts and each.wait_ms is not None:
                        self._set_alarm(each.position, match.timestamp + each.wait_ms)
            case _:
                assert_never(state.kind)

    def _hand_to_pair(self, state: State, match: PartialMatch) -> None:
        for position in (state.position, state.partner):
            fresh = self.held[position].fresh
            if not ((state.starts or self._is_sequence) and fresh):
                fresh.append(match)

    def _begin_again(self, position: int, before: PartialMatch) -> None:
        """A new match waits at ``position``, with what ``before`` took earlier."""
        state, held = self._states[position], self.held[position]
        match = before.copy()
        if state.kind is StateKind.PAIRED_ABSENT:
            came = match.events[position]
            if isinstance(came, Event):
                match.timestamp = came.timestamp
            match.events[position] = None
        else:
            match.events[position:] = [None] * (len(match.events) - position)
        held.fresh.append(match)
        if state.partner != NONE:
            match.events[state.partner] = None
            self.held[state.partner].fresh.append(match)
        if state.kind is StateKind.ABSENT:
            assert state.wait_ms is not None
            held.wait_until_ms = match.timestamp + state.wait_ms
            self._set_alarm(position, held.wait_until_ms)

    def _settle(self, state: State) -> None:
        """Fresh matches wait now, by the time of their last event, new ones last."""
        held = self.held[state.position]
        if held.renew:
            held.renew = False
            self._begin(state)
        for each in (held,) if state.partner == NONE else (held, self.held[state.partner]):
            if each.fresh:
                each.fresh.sort(key=lambda match: (match.timestamp == NEVER, match.timestamp))
                each.waiting += each.fresh
                each.fresh = []

    def _interrupt(self, state: State) -> None:
        """In a sequence: whoever waits has had his event."""
        held = self.held[state.position]
        if state.partner != NONE:
            partner = self.held[state.partner]
            if state.is_and and len(held.waiting) != len(partner.waiting):
                return
            partner.waiting = []
        held.waiting = []
        if not state.starts or (held.fresh and state.kind is not StateKind.ABSENT):
            return
        if state.again == NONE and state.follower != NONE and self.held[state.follower].waiting:
            return
        self._begin(state)

    # --- time

    def _is_late(self, match: PartialMatch, timestamp: int) -> bool:
        if self._within_ms is None:
            return False
        for position in self._starts:
            held = match.events[position]
            first = held[0] if isinstance(held, list) else held
            if first is not None and first is not NOTHING_CAME and abs(first.timestamp - timestamp) > self._within_ms:
                return True
        return False

    def _expire(self, state: State, timestamp: int) -> None:
        """Matches whose first event is too far from ``timestamp`` go; where it is repeated, one new begins."""
        held = self.held[state.position]
        late = 0
        while late < len(held.waiting) and self._is_late(held.waiting[late], timestamp):
            late += 1
        gone = held.waiting[:late]
        if late:
            held.waiting = held.waiting[late:]
        if held.fresh:
            gone += [match for match in held.fresh if self._is_late(match, timestamp)]
            held.fresh = [match for match in held.fresh if not self._is_late(match, timestamp)]
        last: PartialMatch | None = None
        for match in gone:
            if not match.lapsed:
                match.lapsed = True
                last = match
        if last is not None:
            self._renew(state, last)

    def _renew(self, state: State, lost: PartialMatch) -> None:
        if state.renewed_at != NONE:
            self._begin_again(state.renewed_at, lost)
            self._settle(self._states[state.renewed_at])

    def _set_alarm(self, position: int, due_ms: int) -> None:
        alarms = self.held[position].alarms
        if due_ms not in alarms:
            alarms.append(due_ms)
            alarms.sort()

    def _end_wait(self, state: State, due_ms: int, now_ms: int) -> None:
        """Of the matches at an absent step those have succeeded whose time is over."""
        held, wait_ms = self.held[state.position], state.wait_ms
        assert wait_ms is not None
        is_empty = not held.fresh and not held.waiting
        was_interrupted = self._is_sequence and state.again == NONE and held.wait_until_ms > 0
        if state.starts and is_empty and not was_interrupted:
            self._hand_on(state.position, PartialMatch(len(self._states)))
        elif self._is_sequence and held.fresh:
            self._interrupt(state)
        self._settle(state)
        kept: list[PartialMatch] = []
        over: list[PartialMatch] = []
        for match in held.waiting:
            since_ms = held.wait_until_ms - wait_ms if match.timestamp == NEVER else match.timestamp
            if self._is_late(match, due_ms):
                if state.renewed_at != NONE:
                    self._begin_again(state.renewed_at, match)
            elif due_ms >= since_ms + wait_ms:
                match.timestamp = due_ms
                over.append(match)
            else:
                kept.append(match)
        held.waiting = kept
        if state.renewed_at != NONE:
            self._settle(self._states[state.renewed_at])
        for match in over:
            self._succeed(state, match)
        if now_ms > wait_ms + due_ms:
            held.wait_until_ms = now_ms + wait_ms
        if not over and held.wait_until_ms < due_ms:
            held.wait_until_ms = due_ms + wait_ms
            self._set_alarm(state.position, held.wait_until_ms)

    def _end_wait_of_pair(self, state: State, due_ms: int, now_ms: int) -> None:
        """As ``_end_wait`` for an absent step of a pair."""
        held, wait_ms = self.held[state.position], state.wait_ms
        assert wait_ms is not None
        over: list[PartialMatch] = []
        if due_ms >= held.arrived_ms + wait_ms:
            if self._is_sequence and state.starts and not held.fresh and not held.waiting:
                self._hand_on(state.position, PartialMatch(len(self._states)))
            elif self._is_sequence and held.fresh:
                self._interrupt(state)
            self._settle(state)
            over = self._waited_in_pair(state, due_ms)
            for match in over:
                match.timestamp = due_ms
                self._succeed(state, match)
            held.arrived_ms = 0
        if state.again != NONE or (not over and state.starts):
            since_ms = held.arrived_ms or now_ms
            self._set_alarm(state.position, since_ms + wait_ms)

    def _waited_in_pair(self, state: State, due_ms: int) -> list[PartialMatch]:
        """The matches of an absent step of a pair that are complete now that its time is over."""
        held = self.held[state.position]
        assert state.wait_ms is not None
        kept: list[PartialMatch] = []
        over: list[PartialMatch] = []
        late: PartialMatch | None = None
        for match in held.waiting:
            came = match.events[state.position]
            since_ms = came.timestamp if isinstance(came, Event) else match.timestamp
            if self._is_late(match, due_ms):
                late = match
            elif due_ms < since_ms + state.wait_ms:
                kept.append(match)
            else:
                has_partner = match.events[state.partner] is not None
                if not state.is_and and not has_partner:
                    match.events[state.position] = NOTHING_CAME
                    over.append(match)
                elif state.is_and and has_partner:
                    over.append(match)
                elif state.is_and:
                    match.events[state.position] = NOTHING_CAME
        held.waiting = kept
        if late is not None:
            self._renew(state, late)
        return over

    def _succeed(self, state: State, match: PartialMatch) -> None:
        """An absent step is done: ``match`` goes on."""
        if state.is_last:
            self.found.append(match.copy())
        if state.follower != NONE:
            self._hand_on(state.follower, match)
        if state.again != NONE:
            self._begin_again(state.again, match)
        elif state.starts:
            self.held[state.position].active = False
            if state.partner != NONE and not state.is_and:
                self.held[state.partner].active = False
        if state.skips != NONE:
            self.held[state.skips].renew = True

    # --- events

    def _without_served(self, state: State, matches: list[PartialMatch]) -> list[PartialMatch]:
        """Without those that got on by another way: past a counted step, or by the other of a pair."""
        if state.kind is StateKind.COUNTED:
            end = state.position + 3
            return [match for match in matches if not any(match.events[state.position + 1 : end])]
        if state.partner != NONE and not state.is_and:
            return [match for match in matches if match.events[state.partner] is None]
        return matches

    def _miss(self, state: State) -> bool:
        """The event does not serve a match; whether it goes on waiting."""
        if not self._is_sequence:
            return True
        if state.kind in (StateKind.SINGLE, StateKind.ABSENT) and state.skips != NONE:
            self.held[state.skips].renew = True
        return state.kind is StateKind.ABSENT

    def _take(self, state: State, match: PartialMatch, event: Event) -> bool:
        """``match`` takes the event; whether it goes on waiting at the step."""
        match state.kind:
            case StateKind.SINGLE:
                match.events[state.position] = event
                self._go_on(state, match, event)
                return False
            case StateKind.COUNTED:
                return self._count(state, match, event)
            case StateKind.PAIRED:
                match.events[state.position] = event
                if not state.is_and or self._partner_is_done(state, match):
                    self._go_on(state, match, event)
                    self._sweep(self._states[state.partner])
                return False
            case StateKind.ABSENT:
                match.events[state.position] = event
                match.timestamp = event.timestamp
                if state.starts and state.again == state.position:
                    self._begin_again(state.position, match)
                assert state.wait_ms is not None
                self.held[state.position].wait_until_ms = event.timestamp + state.wait_ms
                self._set_alarm(state.position, event.timestamp + state.wait_ms)
                return False
            case StateKind.PAIRED_ABSENT:
                return self._take_what_must_not_come(state, match, event)
            case _:
                assert_never(state.kind)

    def _go_on(self, state: State, match: PartialMatch, event: Event) -> None:
        match.timestamp = event.timestamp
        # as recorded: an ``and`` that is the whole pattern puts nothing out if the step written first comes last
        if state.is_last and not (state.is_and and state.starts and state.leads):
            self.found.append(match.copy())
        if state.follower != NONE:
            self._hand_on(state.follower, match)
        if state.again != NONE:
            self._begin_again(state.again, match)
        if state.skips != NONE:
            self.held[state.skips].renew = True

    def _enough(self, state: State, match: PartialMatch) -> None:
        """A counted step has what it needs."""
        if state.is_last:
            self.found.append(match.copy())
        if state.follower != NONE:
            self._hand_on(state.follower, match)
        if state.again != NONE:
            self._begin_again(state.again, match)

    def _count(self, state: State, match: PartialMatch, event: Event) -> bool:
        taken = match.events[state.position]
        if taken is None:
            match.events[state.position] = taken = []
        assert isinstance(taken, list)
        taken.append(event)
        match.timestamp = event.timestamp
        count = len(taken)
        if not self._is_sequence:
            if count == state.least:
                self._enough(state, match)
            return count != state.most and not (state.is_last and count == state.least)
        if count >= state.least and state.is_last:
            self.found.append(match.copy())
            return False
        if count >= state.least and state.follower != NONE:
            self._hand_on(state.follower, match)
        if count != state.most:
            self._hand_on(state.position, match)
        return False

    def _partner_is_done(self, state: State, match: PartialMatch) -> bool:
        """Whether the other of an ``and`` has what it needs."""
        partner, held = self._states[state.partner], self.held[state.partner]
        came = match.events[state.partner]
        if not partner.is_absent:
            return came is not None
        if self._is_sequence and partner.again == NONE and held.arrived_ms > 0:
            return False
        if partner.wait_ms is not None:
            return came is not None
        if partner.again == NONE:
            return came is None
        if held.arrived_ms > 0:
            held.arrived_ms = 0
            self._begin(partner)
            return False
        return True

    def _sweep(self, state: State) -> None:
        """Now and then, forget at ``state`` what its partner completed. With ``within`` it goes when it is too old."""
        held = self.held[state.position]
        if self._within_ms is not None or self._is_sequence or len(held.waiting) < held.sweep_from:
            return
        if not state.is_and or (state.is_absent and state.wait_ms is None):
            held.waiting = [match for match in held.waiting if match.events[state.partner] is None]
        held.sweep_from = max(_SWEEP_FROM, 2 * len(held.waiting))

    def _take_what_must_not_come(self, state: State, match: PartialMatch, event: Event) -> bool:
        self.held[state.position].arrived_ms = event.timestamp
        if state.wait_ms is None and not (self._is_sequence and state.is_and and state.again != NONE):
            match.events[state.position] = event
        if state.starts and state.leads:
            return True
        if self._is_sequence:
            partner = self.held[state.partner]
            partner.waiting = [each for each in partner.waiting if each is not match]
        return False
