from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eiha.ha.sequencer import Sequencer
from eiha.kernel.ids import Epoch, LogTimeMs, Sequence, WallMs
from eiha.protocol.entry_codec import decode_entry
from eiha.protocol.log_entry import TimeTick


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=20), st.integers(0, 500))
def test_sequences_are_contiguous_and_log_time_never_regresses_whatever_the_clock_does(
    clock: list[int], before: int
) -> None:
    sequencer = Sequencer(Epoch(3), Sequence(8), LogTimeMs(before))
    entries = [sequencer.stamp(TimeTick(), WallMs(wall)) for wall in clock]
    assert [entry.sequence for entry in entries] == list(range(8, 8 + len(clock)))
    times = [before, *(entry.log_time_ms for entry in entries)]
    assert times == sorted(times)
    assert all(entry.log_time_ms >= wall for entry, wall in zip(entries, clock, strict=True))


def test_an_entry_carries_its_own_bytes() -> None:
    entry = Sequencer(Epoch(3), Sequence(8), LogTimeMs(5)).stamp(TimeTick(), WallMs(9))
    assert decode_entry(entry.encoded) == entry
