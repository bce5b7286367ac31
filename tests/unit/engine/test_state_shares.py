from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eiha.engine import state_shares
from eiha.engine.snapshot import decode_state, encode_state
from eiha.engine.state_part import StatesOnDemand
from eiha.engine.state_shares import share_digest

arrays = st.lists(st.integers(-100, 100), max_size=40).flatmap(
    lambda values: st.sampled_from([np.int32, np.int64, np.float64, np.bool_]).map(lambda d: np.array(values, dtype=d))
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), arrays)
states = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares of a few bytes, so that small states have many."""
    monkeypatch.setattr(state_shares, "SHARE_BYTES", 128)
    monkeypatch.setattr(state_shares, "_LONG_BYTES", 16)
    monkeypatch.setattr(state_shares, "_LONG_ITEMS", 4)


def all_shares(state: Any) -> list[bytes]:
    return [share_digest(state, turn).digest for turn in range(share_digest(state, 0).shares)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(state=states)
def test_a_state_that_was_saved_and_read_has_the_digests_that_it_had(state: Any) -> None:
    assert all_shares(decode_state(encode_state({"s": state}))) == all_shares({"s": state})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(one=states, other=states)
def test_states_that_differ_differ_in_some_share(one: Any, other: Any) -> None:
    is_equal = encode_state({"s": one}) == encode_state({"s": other})
    assert (all_shares(one) == all_shares(other)) is is_equal


@pytest.mark.parametrize("place", [0, 1, 499, 998, 999])
def test_one_item_shows_in_exactly_one_share(place: int) -> None:
    state = {"head": 7, "numbers": np.arange(1000), "texts": [str(number) for number in range(1000)]}
    before = all_shares(state)
    assert len(before) > 50
    state["numbers"] = state["numbers"].copy()
    state["numbers"][place] += 1
    after = all_shares(state)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    state["texts"][place] += "!"
    assert sum(one != other for one, other in zip(after, all_shares(state), strict=True)) == 1


def test_what_is_small_shows_in_every_share() -> None:
    one, other = ({"head": head, "numbers": np.arange(1000)} for head in (1, 2))
    assert not set(all_shares(one)) & set(all_shares(other))


def test_turns_go_round() -> None:
    state = np.arange(100)
    shares = share_digest(state, 0).shares
    assert share_digest(state, shares + 3) == share_digest(state, 3)


def test_arrays_that_do_not_lie_together_are_read_as_if_they_did() -> None:
    assert all_shares(np.arange(200)[::2]) == all_shares(np.arange(200)[::2].copy())


def test_states_made_on_demand_are_saved_as_a_list_of_them_and_few_are_made_for_a_share() -> None:
    def state(place: int) -> dict[str, Any]:
        return {"place": place, "rows": np.arange(place % 7)}

    made: list[int] = []

    def make(place: int) -> dict[str, Any]:
        made.append(place)
        return state(place)

    listed = {"states": [state(place) for place in range(200)]}
    on_demand = {"states": StatesOnDemand(200, make)}
    assert encode_state(on_demand) == encode_state(listed)
    assert all_shares(on_demand) == all_shares({"states": StatesOnDemand(200, state)})
    made.clear()
    share_digest(on_demand, 3)
    assert len(made) < 20, "a share makes few of them, and some are weighed"


def test_items_weigh_what_they_hold() -> None:
    light, heavy = ([{"rows": np.arange(rows)} for _ in range(20)] for rows in (1, 1_000))
    assert share_digest(light, 0).shares < 20
    assert share_digest(heavy, 0).shares > 500
