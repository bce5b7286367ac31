from __future__ import annotations

from typing import Any

import numpy as np

from eiha.engine.runtime import EngineRuntime
from eiha.engine.snapshot import decode_state, packed
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications
from eiha.protocol.state_digest import OTHER_PLANS, differing_parts

TEXT = """
define stream S (sym string, vol int);
@PrimaryKey('sym') define table Latest (sym string, vol int);
define aggregation BySymbol from S select sym, sum(vol) as total group by sym aggregate every seconds...minutes;
@info(name='totals') from S[vol > 0]#window.length(3) select sym, sum(vol) as s group by sym insert into Out;
@info(name='keep') from S select sym, vol update or insert into Latest on Latest.sym == sym;
@info(name='rises') from every e1=S -> e2=S[vol > e1.vol] select e1.sym as a, e2.sym as b insert into Rises;
partition with (sym of S) begin
  @info(name='each') from S#window.hopping(2 sec, 1 sec) select sym, max(vol) as m insert into Most;
end;
"""


def engine_with(text: str, rows: int) -> EngineRuntime:
    engine = EngineRuntime()
    bodies: list[EntryBody] = [DeployPlan("p", text)]
    for number in range(rows):
        codes = np.array([0, 1], dtype="<i4")
        columns = (
            WireColumn(AttributeType.STRING, codes, None, (f"k{number % 3}", "z")),
            WireColumn(AttributeType.INT, np.array([number, 5], dtype="<i4")),
        )
        payload = encode(WireBatch(2, None, columns))
        bodies.append(Publications((Publication(ClientId("c"), ClientSequence(number + 1), "S", 2, payload),)))
    for number, body in enumerate(bodies, 1):
        applied = engine.apply(LogEntry(Epoch(1), Sequence(number), LogTimeMs(1_000 + number), body))
        assert applied.faults == ()
    return engine


def test_each_part_has_a_name_that_says_where_it_is() -> None:
    names = engine_with(TEXT, 3).digest_at(0).names
    assert names[0] == "engine"
    assert {
        "plan 'p', text",
        "plan 'p', strings",
        "plan 'p', clocks and timers",
        "plan 'p', query 'totals', stage 2: sliding aggregates",
        "plan 'p', query 'rises', select",
        "plan 'p', query 'each', instances",
        "plan 'p', partition 1, its keys",
        "plan 'p', table 'Latest'",
        "plan 'p', aggregation 'BySymbol'",
    } <= set(names)
    assert not any("filter" in name for name in names), "what keeps nothing cannot differ"


def test_the_parts_are_the_whole_state() -> None:
    engine = engine_with(TEXT, 7)
    state: Any = decode_state(engine.snapshot())
    (deployed,) = engine._plans.values()
    for part in deployed.parts():
        place = state
        for step in part.path:
            place = place[step]
        held = part.state()
        if part.name.endswith("clocks and timers"):
            place = {name: place[name] for name in held}
        assert packed(held) == packed(place), part.name
        _cut_out(state, part.path, held)
    rest = state["plans"]["p"]
    assert packed(rest) == packed(_without_leaves(rest)), "something of the state belongs to no part"


def _cut_out(state: Any, path: tuple[str | int, ...], held: Any) -> None:
    for step in path[:-1]:
        state = state[step]
    if path[-1] == "state":
        for name in held:
            del state["state"][name]
    else:
        state[path[-1]] = {}


def _without_leaves(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_leaves(part) for name, part in value.items()}
        case list():
            return [_without_leaves(part) for part in value]
        case None:
            return None
        case _:
            return "a leaf"


def test_a_restored_engine_agrees_at_every_position_and_a_changed_one_is_found_by_name() -> None:
    whole = engine_with(TEXT, 9)
    restored = EngineRuntime()
    restored.restore(whole.snapshot())
    positions = 2 * len(whole.digest_at(0).names)
    for position in range(positions):
        assert differing_parts(whole.digest_at(position), restored.digest_at(position)) == ()
    (deployed,) = restored._plans.values()
    deployed.runtime._tables["Latest"].restore({**deployed.runtime._tables["Latest"].snapshot()})
    assert differing_parts(whole.digest_at(positions), restored.digest_at(positions)) == ()
    held = deployed.runtime._tables["Latest"].snapshot()
    held["columns"][1]["values"] = held["columns"][1]["values"] + 1
    deployed.runtime._tables["Latest"].restore(held)
    found = [differing_parts(whole.digest_at(each), restored.digest_at(each)) for each in range(positions)]
    assert set(found) == {("plan 'p', table 'Latest'",)}


def test_engines_with_other_plans_are_told_apart() -> None:
    one, other = engine_with(TEXT, 1), engine_with(TEXT.replace("'totals'", "'sums'"), 1)
    assert differing_parts(one.digest_at(0), other.digest_at(0)) == (OTHER_PLANS,)
