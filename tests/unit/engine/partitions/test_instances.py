from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine.partitions.instances import Instances
from eiha.plan.nodes import Purge


def found(instances: Instances, texts: list[int], now_ms: int = 0) -> tuple[list[int], list[int]]:
    numbers, fresh = instances.find(np.array(texts, dtype=np.int64), np.full(len(texts), now_ms, dtype=np.int64))
    return numbers.tolist(), fresh.tolist()


def test_texts_get_numbers_in_order_of_first_sight() -> None:
    instances = Instances(None)
    assert found(instances, [900, 7, 900, 3]) == ([0, 1, 0, 2], [0, 1, 2])
    assert found(instances, [3, 5]) == ([2, 3], [3])
    assert instances.living().tolist() == [0, 1, 2, 3]
    assert instances.next_purge_ms() is None


def test_a_key_that_was_forgotten_comes_back_as_a_new_instance() -> None:
    instances = Instances(Purge(interval_ms=10, idle_ms=25))
    found(instances, [1], 100)
    found(instances, [2], 104)
    assert instances.next_purge_ms() == 130
    assert instances.purge(129) == []
    assert instances.purge(130) == [0]
    assert instances.living().tolist() == [1]
    assert found(instances, [1], 131) == ([2], [2])


def test_a_row_puts_the_end_off() -> None:
    instances = Instances(Purge(interval_ms=10, idle_ms=20))
    found(instances, [1], 0)
    found(instances, [1], 25)
    assert instances.next_purge_ms() == 55
    assert instances.purge(54) == []
    assert instances.purge(60) == [0]
    assert instances.next_purge_ms() is None


steps = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=40)


@given(steps, st.integers(1, 9), st.integers(1, 20), st.integers(0, 40))
def test_idle_instances_go_at_the_first_look_behind_their_idle_period(
    steps: list[tuple[int, int]], interval_ms: int, idle_ms: int, cut: int
) -> None:
    instances = Instances(Purge(interval_ms, idle_ms))
    last: dict[int, tuple[int, int]] = {}
    now_ms = count = 0
    for place, (text, later) in enumerate(steps):
        now_ms += later
        due = {
            number
            for number, used_ms in last.values()
            if any(used_ms + idle_ms < look <= now_ms for look in range(used_ms, now_ms + 1, interval_ms))
        }
        assert set(instances.purge(now_ms)) == due
        last = {key: known for key, known in last.items() if known[0] not in due}
        ((number,), fresh) = found(instances, [text], now_ms)
        assert (number, bool(fresh)) == ((last[text][0], False) if text in last else (count, True))
        count += bool(fresh)
        last[text] = (number, now_ms)
        if place == cut:
            state = instances.snapshot()
            instances = Instances(Purge(interval_ms, idle_ms))
            instances.restore(state)
    assert instances.living().tolist() == sorted(number for number, _ in last.values())


def test_a_state_tells_nothing_of_instances_that_are_gone() -> None:
    instances = Instances(Purge(1, 1))
    found(instances, [4, 9], 10)
    assert instances.purge(100) == [0, 1]
    assert instances.snapshot()["texts"].tolist() == []
