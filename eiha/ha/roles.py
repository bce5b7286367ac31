"""What a member can be, and by which triggers it moves. The table is the definition; docs draw it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from eiha.errors import IllegalTransition


class Role(enum.Enum):
    """What a member is; the value is the word of logs, status and ``Ping.role``."""

    STARTING = "starting"
    JOINING = "joining"
    PASSIVE = "passive"
    PROMOTING = "promoting"
    ACTIVE = "active"
    HALTED = "halted"

    # by identity: looked up with each step, and Enum's own hash is Python
    __hash__ = object.__hash__


class Trigger(enum.Enum):
    """Why a member moves."""

    ANOTHER_HOLDS_THE_ROW = "another holds the row"
    SYNCED_IN = "synced in"
    ACTIVE_SUSPECTED = "active suspected"
    SWITCHOVER_AGREED = "switchover agreed"
    LOSS_ACCEPTED = "loss accepted"
    ACTIVE_RETURNED = "active returned"
    TOOK_THE_ROW = "took the row"
    LOST_THE_ROW = "lost the row"
    FENCED_BY_STORE = "fenced by store"
    LOG_STUCK = "log stuck"
    RESYNC_ORDERED = "resync ordered"
    STOPPED = "stopped"


TRANSITIONS: Final[Mapping[tuple[Role, Trigger], Role]] = {
    (Role.STARTING, Trigger.TOOK_THE_ROW): Role.ACTIVE,
    (Role.STARTING, Trigger.ANOTHER_HOLDS_THE_ROW): Role.JOINING,
    (Role.JOINING, Trigger.SYNCED_IN): Role.PASSIVE,
    (Role.JOINING, Trigger.ACTIVE_SUSPECTED): Role.PROMOTING,
    (Role.JOINING, Trigger.LOSS_ACCEPTED): Role.PROMOTING,
    (Role.PASSIVE, Trigger.ACTIVE_SUSPECTED): Role.PROMOTING,
    (Role.PASSIVE, Trigger.SWITCHOVER_AGREED): Role.PROMOTING,
    (Role.PASSIVE, Trigger.LOST_THE_ROW): Role.JOINING,
    (Role.PASSIVE, Trigger.RESYNC_ORDERED): Role.JOINING,
    (Role.PROMOTING, Trigger.TOOK_THE_ROW): Role.ACTIVE,
    (Role.PROMOTING, Trigger.LOST_THE_ROW): Role.JOINING,
    (Role.PROMOTING, Trigger.ACTIVE_RETURNED): Role.PASSIVE,
    (Role.PROMOTING, Trigger.RESYNC_ORDERED): Role.JOINING,
    (Role.ACTIVE, Trigger.LOST_THE_ROW): Role.JOINING,
    (Role.ACTIVE, Trigger.FENCED_BY_STORE): Role.JOINING,
    (Role.ACTIVE, Trigger.LOG_STUCK): Role.JOINING,
    (Role.STARTING, Trigger.STOPPED): Role.HALTED,
    (Role.JOINING, Trigger.STOPPED): Role.HALTED,
    (Role.PASSIVE, Trigger.STOPPED): Role.HALTED,
    (Role.PROMOTING, Trigger.STOPPED): Role.HALTED,
    (Role.ACTIVE, Trigger.STOPPED): Role.HALTED,
}
"""Everything that may happen; nothing leaves ``HALTED``."""


def next_role(role: Role, trigger: Trigger) -> Role:
    """The role after ``trigger``.

    Raises:
        IllegalTransition: the table has no such move.
    """
    after = TRANSITIONS.get((role, trigger))
    if after is None:
        raise IllegalTransition(f"a member that is {role.value} cannot move because of {trigger.value!r}")
    return after
