"""``eiha diff`` on states of real engines, one of which was changed behind its back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eiha.cli.main import main
from eiha.engine.runtime import EngineRuntime
from eiha.engine.snapshot import decode_state
from eiha.engine.state_stream import write_state
from eiha.events.schema import AttributeType
from eiha.events.wire import WireBatch, WireColumn, encode
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, LogPosition, LogTimeMs, Sequence
from eiha.protocol.log_entry import DeployPlan, EntryBody, LogEntry, Publication, Publications
from eiha.protocol.snapshot_format import Chunk, ChunkCutter, SnapshotManifest
from eiha.storage.packed_snapshot import pack_snapshot

TEXT = """
define stream S (sym string, room int, vol int);
@PrimaryKey('sym') define table Latest (sym string, vol int);
@info(name='totals') from S#window.length(30) select sym, room, sum(vol) as s group by sym, room insert into Out;
@info(name='counted') from S select sym, count() as c group by sym insert into Counts;
@info(name='keep') from S select sym, vol update or insert into Latest on Latest.sym == sym;
partition with (sym of S) begin
  @info(name='each') from S#window.hopping(2 sec, 1 sec) select sym, max(vol) as m insert into Most;
  @info(name='sliding') from S#window.length(2) select sym, avg(vol) as m insert into Means;
end;
"""


def state_of() -> dict[str, Any]:
    engine = EngineRuntime()
    texts = ("oslo", "rome", "bern")
    columns = (
        WireColumn(AttributeType.STRING, np.array([0, 1, 2, 1], dtype="<i4"), None, texts),
        WireColumn(AttributeType.INT, np.array([1, 1, 2, 2], dtype="<i4")),
        WireColumn(AttributeType.INT, np.array([10, 20, 30, 40], dtype="<i4")),
    )
    payload = encode(WireBatch(4, None, columns))
    bodies: list[EntryBody] = [
        DeployPlan("p", TEXT),
        Publications((Publication(ClientId("c"), ClientSequence(1), "S", 4, payload),)),
    ]
    for number, body in enumerate(bodies, 1):
        assert engine.apply(LogEntry(Epoch(1), Sequence(number), LogTimeMs(1_000), body)).faults == ()
    return decode_state(engine.snapshot())


def write(path: Path, state: dict[str, Any], sequence: int = 2) -> Path:
    position = LogPosition(Sequence(sequence), Epoch(1))
    kept: dict[bytes, bytes] = {}

    def keep(chunk: Chunk, data: bytes | memoryview) -> None:
        kept[chunk.name] = bytes(data)

    cutter = ChunkCutter(keep)
    write_state(state, cutter)
    manifest = SnapshotManifest(position, ((Epoch(1), Sequence(1)),), 0, tuple(cutter.chunks))
    pack_snapshot(path, manifest, lambda chunk: kept[chunk.name])
    return path


@pytest.fixture
def compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Change the state of one side, run the command, give its exit status and what it printed."""

    def run(change: Callable[[dict[str, Any]], None], *options: str) -> tuple[int, str]:
        mine, peer = state_of(), state_of()
        change(peer)
        files = write(tmp_path / "a", mine), write(tmp_path / "b", peer)
        status = main(["diff", *map(str, files), *options])
        return status, capsys.readouterr().out

    return run


def plan(state: dict[str, Any]) -> dict[str, Any]:
    held: dict[str, Any] = state["plans"]["p"]["state"]
    return held


def test_equal_states_are_told_so(compare: Callable[..., tuple[int, str]]) -> None:
    status, printed = compare(lambda state: None)
    assert status == 0
    assert "The states are equal." in printed


def test_a_sum_that_differs_is_told_with_query_operator_and_group(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        plan(state)["queries"][0]["stages"][-1]["sums"][0]["sums"][2] += 5

    status, printed = compare(change)
    assert status == 1
    assert "plan p: query 'totals', stage 1: sliding aggregates" in printed
    assert "sums[0].sums, group 'bern', 2: mine 30, peer 35" in printed


def test_an_accumulator_is_told_with_its_group(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        plan(state)["queries"][1]["select"]["aggregators"][0]["counts"][2] += 1

    status, printed = compare(change)
    assert status == 1
    assert "plan p: query 'counted', select" in printed
    assert "group 'rome': mine 2, peer 3" in printed


def test_a_row_of_a_table_is_told_with_its_key(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        plan(state)["tables"]["Latest"]["columns"][1]["values"][1] = 41

    _, printed = compare(change)
    assert "plan p: table 'Latest'" in printed
    assert "columns[1].values, row 'rome': mine 40, peer 41" in printed


def test_a_text_of_a_table_is_told_as_text(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        column = plan(state)["tables"]["Latest"]["columns"][0]["values"]
        column[0], column[1] = column[1], column[0]

    _, printed = compare(change)
    assert "row 'oslo': mine 'oslo', peer 'rome'" in printed


def test_instances_of_a_partition_are_told_by_key(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        queries = plan(state)["queries"]
        assert "states" in queries[3]
        queries[3]["states"][2]["stages"][1]["window"]["next_ms"] = 77
        queries[4]["select"]["aggregates"][0]["sums"][1] = 0.5

    _, printed = compare(change)
    assert "query 'each', instances" in printed
    assert "key 'bern': mine" in printed
    assert "query 'sliding', sliding select\n  aggregates[0].sums, key 'rome': mine 60.0, peer 0.5" in printed


def test_rows_that_one_side_has_more_are_told_and_counted(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        gate = plan(state)["gates"][0]
        gate["used_ms"] = np.concatenate([gate["used_ms"], np.arange(100)])

    _, printed = compare(change)
    assert "used_ms, item 3: mine (missing), peer 0" in printed
    assert "used_ms: and 90 more" in printed
    _, printed = compare(change, "--all")
    assert "used_ms, item 102: mine (missing), peer 99" in printed


def test_a_plan_that_one_side_lacks_is_told(compare: Callable[..., tuple[int, str]]) -> None:
    status, printed = compare(lambda state: state["plans"].clear())
    assert status == 1
    assert "plan p: deployment\n  the whole: mine deployed, peer (missing)" in printed


def test_json_holds_the_same(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        plan(state)["tables"]["Latest"]["columns"][1]["values"][1] = 41

    status, printed = compare(change, "--json")
    assert status == 1
    document = json.loads(printed)
    assert document["equal"] is False
    assert document["mine"]["sequence"] == 2
    assert document["differences"] == [
        {
            "plan": "p",
            "part": "table 'Latest'",
            "field": "columns[1].values",
            "key": "row 'rome'",
            "mine": "40",
            "peer": "41",
            "more": 0,
        }
    ]


def test_a_plan_that_does_not_compile_here_is_compared_by_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, peer = state_of(), state_of()
    for state in (mine, peer):
        state["plans"]["p"]["text"] = "define stream S (a int); from S#window.unknown(3) select a insert into Out;"
    plan(peer)["queries"][1]["select"]["aggregators"][0]["counts"][2] += 1
    assert main(["diff", str(write(tmp_path / "a", mine)), str(write(tmp_path / "b", peer))]) == 1
    told = capsys.readouterr()
    assert "plan p does not compile here, its operators are told by place" in told.err
    assert "plan p: query 2, select" in told.out
    assert "(or text 'rome'): mine 2, peer 3" in told.out


def test_output_is_bounded_unless_all_is_asked_for(compare: Callable[..., tuple[int, str]]) -> None:
    def change(state: dict[str, Any]) -> None:
        plan(state)["alien"] = {f"field{number}": number for number in range(1_000)}
        plan(state).update({f"field{number}": number for number in range(1_000)})

    _, printed = compare(change)
    assert printed.count("\n") < 260
    assert "--all prints every one" in printed
    _, printed = compare(change, "--all")
    assert printed.count("(missing)") == 1_001


def test_a_directory_of_dumps_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "mine", state_of())
    assert main(["diff", str(tmp_path)]) == 2
    assert "holds no file 'peer'" in capsys.readouterr().err
    write(tmp_path / "peer", state_of(), sequence=3)
    assert main(["diff", str(tmp_path)]) == 0
    assert "The positions differ" in capsys.readouterr().out


@pytest.mark.parametrize("place", [3, 40, 90, 200, -1])
def test_a_damaged_file_is_named_and_nothing_is_compared(
    tmp_path: Path, place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write(tmp_path / "a", state_of()), write(tmp_path / "b", state_of())
    content = bytearray(bad.read_bytes())
    content[place] ^= 1
    bad.write_bytes(content)
    assert main(["diff", str(good), str(bad)]) == 2
    assert f"eiha diff: {bad}: " in capsys.readouterr().err
    assert main(["diff", str(good), str(tmp_path / "none")]) == 2
    assert main(["diff", str(good)]) == 2
