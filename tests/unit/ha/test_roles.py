from __future__ import annotations

import itertools

import pytest

from eiha.errors import IllegalTransition
from eiha.ha.roles import TRANSITIONS, Role, Trigger, next_role


@pytest.mark.parametrize(("role", "trigger"), list(itertools.product(Role, Trigger)))
def test_every_pair_of_role_and_trigger_is_either_in_the_table_or_refused(role: Role, trigger: Trigger) -> None:
    if (role, trigger) in TRANSITIONS:
        assert next_role(role, trigger) is TRANSITIONS[role, trigger]
    else:
        with pytest.raises(IllegalTransition, match=role.value):
            next_role(role, trigger)


def test_the_whole_table() -> None:
    moves = sorted(f"{role.value} | {trigger.value} | {after.value}" for (role, trigger), after in TRANSITIONS.items())
    assert moves == [
        "active | fenced by store | joining",
        "active | log stuck | joining",
        "active | lost the row | joining",
        "active | stopped | halted",
        "joining | active suspected | promoting",
        "joining | loss accepted | promoting",
        "joining | stopped | halted",
        "joining | synced in | passive",
        "passive | active suspected | promoting",
        "passive | lost the row | joining",
        "passive | resync ordered | joining",
        "passive | stopped | halted",
        "passive | switchover agreed | promoting",
        "promoting | active returned | passive",
        "promoting | lost the row | joining",
        "promoting | resync ordered | joining",
        "promoting | stopped | halted",
        "promoting | took the row | active",
        "starting | another holds the row | joining",
        "starting | stopped | halted",
        "starting | took the row | active",
    ]


def test_only_a_node_that_took_the_row_becomes_active() -> None:
    assert {trigger for (_, trigger), after in TRANSITIONS.items() if after is Role.ACTIVE} == {Trigger.TOOK_THE_ROW}


def test_nothing_leaves_halted_and_everything_can_get_there() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is Role.HALTED]
    assert {role for (role, _), after in TRANSITIONS.items() if after is Role.HALTED} == set(Role) - {Role.HALTED}


def test_every_role_is_reached_from_starting() -> None:
    reached, todo = {Role.STARTING}, [Role.STARTING]
    while todo:
        role = todo.pop()
        for (before, _), after in TRANSITIONS.items():
            if before is role and after not in reached:
                reached.add(after)
                todo.append(after)
    assert reached == set(Role)
