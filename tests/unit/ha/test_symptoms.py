from __future__ import annotations

from eiha.ha.policy import Policy
from eiha.ha.status import SinkStatus
from eiha.ha.symptoms import symptoms_of
from eiha.kernel.ids import Sequence
from eiha.protocol.vitals import QUIET, Vitals

POLICY = Policy(outbox_rows_max=100, outbox_bytes_max=1_000)


def test_a_node_that_is_well_has_none() -> None:
    well = Vitals(3, Sequence(9), "entry", Sequence(10), 4, 2, 49, 499, 100)
    assert symptoms_of(QUIET, (), POLICY) == ()
    assert symptoms_of(well, (SinkStatus("processed", True, Sequence(3), 5, 50, 100),), POLICY) == ()


def test_each_part_that_stands_still_is_told_with_how_long() -> None:
    sick = Vitals(700, Sequence(9), "entry", Sequence(10), 4_000, 2_500, 80, 100, 3_000)
    sinks = (SinkStatus("events", True, Sequence(3), 0, 0, 0), SinkStatus("processed", True, Sequence(3), 5, 50, 3_000))
    assert symptoms_of(sick, sinks, POLICY) == (
        "the event loop was 700 ms late",
        "the engine has been at its entry 10 for 4000 ms",
        "the log has not been written for 2500 ms",
        "processed took nothing for 3000 ms, 5 rows wait",
        "the outbox is 80 % full",
    )


def test_of_the_peer_only_the_worst_store_is_known() -> None:
    assert symptoms_of(Vitals(store_ms=3_000), (), POLICY) == ("a store took nothing for 3000 ms",)


def test_work_that_is_not_an_entry_is_called_what_it_is() -> None:
    assert symptoms_of(Vitals(engine_work="snapshot", engine_ms=4_000), (), POLICY) == (
        "the engine has been at its snapshot for 4000 ms",
    )
