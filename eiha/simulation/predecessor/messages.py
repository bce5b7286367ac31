"""What two predecessor nodes tell each other. Nothing of it is numbered or acknowledged."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from eiha.protocol.log_entry import Publication


class Role(enum.Enum):
    """What a node takes itself for."""

    UNDECIDED = "undecided"
    ACTIVE = "active"
    PASSIVE = "passive"


@dataclass(frozen=True, slots=True)
class Alive:
    """Membership: the sender is there, and what it takes itself for."""

    role: Role


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An event that the sender received and has already processed."""

    publication: Publication


@dataclass(frozen=True, slots=True)
class Watermark:
    """Outputs up to this time are about to be published: the passive may forget them."""

    time_us: int


@dataclass(frozen=True, slots=True)
class StateAsked:
    """The passive wants the whole state."""


@dataclass(frozen=True, slots=True)
class State:
    """The whole state, cut whenever it was asked for."""

    content: bytes


Message = Alive | Forwarded | Watermark | StateAsked | State
