from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.engine import jit
from eiha.engine.partitions.instances import Instances
from eiha.plan.nodes import Purge


def found(instances: Instances, texts: list[int], now_ms: int | list[int] = 0) -> tuple[list[int], list[int]]:
    times = np.broadcast_to(np.array(now_ms, dtype=np.int64), len(texts)).copy()
    slots, fresh = instances.find(np.array(texts, dtype=np.int64), times)
    return slots.tolist(), fresh.tolist()


def test_texts_get_slots_in_order_of_first_sight() -> None:
    instances = Instances(None)
    assert found(instances, [900, 7, 900, 3]) == ([0, 1, 0, 2], [0, 1, 2])
    assert found(instances, [3, 5]) == ([2, 3], [3])
    assert instances.living().tolist() == [0, 1, 2, 3]
    assert instances.next_purge_ms() is None


def test_a_key_that_was_forgotten_comes_back_as_a_new_instance_in_a_slot_that_is_free() -> None:
    instances = Instances(Purge(interval_ms=10, idle_ms=25))
    found(instances, [1], 100)
    found(instances, [2], 104)
    assert instances.next_purge_ms() == 130
    assert instances.purge(129) == []
    assert instances.purge(130) == [0]
    assert instances.living().tolist() == [1]
    assert found(instances, [1], 131) == ([0], [0])
    assert instances.ages(np.array([0, 1])).tolist() == [2, 1]
    assert instances.living().tolist() == [1, 0]


def test_a_row_puts_the_end_off() -> None:
    instances = Instances(Purge(interval_ms=10, idle_ms=20))
    found(instances, [1], 0)
    found(instances, [1], 25)
    assert instances.next_purge_ms() == 55
    assert instances.purge(54) == []
    assert instances.purge(60) == [0]
    assert instances.next_purge_ms() is None


def test_a_key_that_comes_behind_its_time_is_new_though_nobody_forgot_the_old_one() -> None:
    instances = Instances(Purge(interval_ms=10, idle_ms=20))
    assert found(instances, [1, 2, 1, 1], [0, 10, 29, 59]) == ([0, 1, 0, 2], [0, 1, 2])
    assert instances.living(59).tolist() == [2]
    assert instances.ages_kept().tolist() == [0, 1, 2]  # the rows of the old one may still be on their way
    assert sorted(instances.purge_seen()) == [0, 1]
    assert instances.ages_kept().tolist() == [2]


steps = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=40)


@pytest.mark.parametrize("by_timers", [True, False])
@given(steps, st.integers(1, 9), st.integers(1, 20), st.integers(0, 40))
def test_idle_instances_go_at_the_first_look_behind_their_idle_period(
    by_timers: bool, steps: list[tuple[int, int]], interval_ms: int, idle_ms: int, cut: int
) -> None:
    purge = Purge(interval_ms, idle_ms)
    instances = Instances(purge)
    last: dict[int, tuple[int, int]] = {}  # by text: age and last use
    now_ms = count = 0
    for place, (text, later) in enumerate(steps):
        now_ms += later
        due = {
            age
            for age, used_ms in last.values()
            if any(used_ms + idle_ms < look <= now_ms for look in range(used_ms, now_ms + 1, interval_ms))
        }
        assert due == {age for age, used_ms in last.values() if used_ms + purge.span_ms <= now_ms}
        if by_timers:
            gone = instances.purge(now_ms)
            assert set(instances.ages(np.array(gone, dtype=np.int64)).tolist()) == due
        else:
            instances.purge_seen()
        last = {key: known for key, known in last.items() if known[0] not in due}
        ((slot,), fresh) = found(instances, [text], now_ms)
        age = int(instances.ages(np.array([slot]))[0])
        assert (age, bool(fresh)) == ((last[text][0], False) if text in last else (count, True))
        count += bool(fresh)
        last[text] = (age, now_ms)
        if place == cut:
            state = instances.snapshot()
            instances = Instances(purge)
            instances.restore(state)
    living = instances.living(now_ms)
    assert instances.ages(living).tolist() == sorted(age for age, _ in last.values())


@given(steps, st.integers(1, 40))
def test_compiled_or_not_the_slots_are_the_same(steps: list[tuple[int, int]], size: int) -> None:
    compiled, plain = Instances(Purge(3, 5)), Instances(Purge(3, 5))
    times = np.cumsum([later for _, later in steps]).tolist()
    texts = [text for text, _ in steps]
    for start in range(0, len(steps), size):
        part = slice(start, start + size)
        freed = compiled.purge_seen()
        with jit.interpreted():
            assert plain.purge_seen() == freed
            same = found(plain, texts[part], times[part])
        assert found(compiled, texts[part], times[part]) == same


def test_slots_are_used_again() -> None:
    instances = Instances(Purge(1, 1))
    for key in range(100):
        instances.purge_seen()
        found(instances, [2 * key, 2 * key + 1], 10 * key)
    assert instances.slots == 4  # two that live, two whose rows may be on their way
