from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.events.wire import WireBatch, WireColumn
from eiha.ha.effects import Publish
from eiha.ha.outbox import Lane, Outbox
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence
from eiha.protocol.outputs import OutputBatch, PublishPermit

PERMIT = PublishPermit(Epoch(3))
STREAM = StreamDefinition("Out", Schema((Attribute("v", AttributeType.LONG),)))


def output(sequence: int, rows: int = 1, sink: str = "processed", ordinal: int = 0) -> OutputBatch:
    column = WireColumn(AttributeType.LONG, np.arange(rows, dtype=np.int64))
    batch = WireBatch(rows, np.zeros(rows, dtype=np.int64), (column,))
    return OutputBatch(sink, "p", STREAM, Sequence(sequence), LogTimeMs(0), ordinal, batch)


def lane(*outputs: OutputBatch) -> Lane:
    made = Lane("processed")
    made.opened = True
    for each in outputs:
        made.add(each)
    return made


def test_nothing_is_published_before_the_store_told_its_progress() -> None:
    made = lane(output(1))
    made.opened = False
    assert made.next_publish(10, Sequence(9), PERMIT) is None


def test_one_write_is_under_way_at_a_time_and_says_what_the_store_must_hold() -> None:
    made = lane(output(4), output(6))
    made.trim_through(Sequence(3))
    publish = made.next_publish(10, Sequence(9), PERMIT)
    assert isinstance(publish, Publish)
    assert (publish.expected, publish.through, [o.sequence for o in publish.outputs]) == (3, 6, [4, 6])
    assert made.next_publish(10, Sequence(9), PERMIT) is None


def test_outputs_of_one_entry_are_never_torn_apart() -> None:
    made = lane(output(4, 3), output(4, 3, ordinal=3), output(5, 3))
    publish = made.next_publish(2, Sequence(9), PERMIT)
    assert publish is not None
    assert [(o.sequence, o.first_ordinal) for o in publish.outputs] == [(4, 0), (4, 3)]


def test_outputs_beyond_what_is_applied_wait() -> None:
    assert lane(output(4)).next_publish(10, Sequence(3), PERMIT) is None


def test_what_the_active_reported_as_published_is_not_kept_even_if_it_comes_later() -> None:
    made = lane(output(4), output(5))
    made.trim_through(Sequence(4))
    assert [o.sequence for o, _ in made.outputs] == [5]
    late = lane()
    late.trim_through(Sequence(7))
    late.add(output(6))
    late.add(output(8))
    assert [o.sequence for o, _ in late.outputs] == [8]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), max_size=30), st.data())
def test_every_output_is_published_once_in_order_with_contiguous_progress(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    made, sequence = lane(), 0
    for gap, rows in steps:
        sequence += gap
        made.add(output(sequence, rows))
    seen: list[int] = []
    progress = 0
    while (publish := made.next_publish(data.draw(st.integers(1, 6)), Sequence(sequence), PERMIT)) is not None:
        assert publish.expected == progress
        seen += [o.sequence for o in publish.outputs]
        progress = publish.through
        made.outstanding = None
        made.trim_through(publish.through)
    expected = np.cumsum([gap for gap, _ in steps]).tolist()
    assert seen == expected
    assert (made.rows, made.bytes) == (0, 0)


def test_an_empty_lane_has_no_gap_so_its_progress_is_what_is_applied() -> None:
    outbox = Outbox(("events", "processed"))
    for each in outbox.lanes.values():
        each.opened = True
    outbox.add([output(4), output(4, sink="nowhere")])
    assert outbox.progress(Sequence(9)) == (("events", 9), ("processed", 0))
    assert outbox.unrouted_rows == 1
    outbox.close()
    assert outbox.progress(Sequence(9)) == (("events", 0), ("processed", 0))


def test_a_restored_outbox_holds_what_a_snapshot_held() -> None:
    outbox = Outbox(("processed",))
    outbox.add([output(1), output(2)])
    outbox.load((("processed", Sequence(2)),), [output(3)])
    assert [o.sequence for o, _ in outbox.lanes["processed"].outputs] == [3]
    assert outbox.lanes["processed"].published_through == 2
