"""What Python packages add to the language: functions, aggregators, stream processors and windows, by name.

A registration holds a signature and the code; nothing is called here. Filled when a process starts
(``eiha.extensions``), read when plans are bound and lowered; both nodes must be given the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from eiha.events.schema import Attribute
from eiha.plan.signatures import Signature


class AlreadyRegistered(ValueError):
    """Two registrations want one name."""


@dataclass(frozen=True, slots=True)
class ScalarExtension:
    """A function. ``is_columnar``: it takes and gives NumPy arrays (masked where there are nulls), not single values.

    ``takes_nulls``: it is called where an argument is null. ``fails``: what it raises is a fault of the row; otherwise
    the result is null there.
    """

    signature: Signature
    function: Callable[..., Any]
    is_columnar: bool
    takes_nulls: bool
    fails: bool


@dataclass(frozen=True, slots=True)
class AggregatorExtension:
    """An aggregator. ``make()`` gives a group's state: ``add``, ``remove``, ``value``, ``snapshot``, ``restore``."""

    signature: Signature
    make: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class ProcessorExtension:
    """A stream processor: for the values of the arguments any number of tuples, one value for each of ``adds``."""

    signature: Signature
    adds: tuple[Attribute, ...]
    function: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class WindowExtension:
    """A window. ``make(*constants)`` gives it: ``receive``, ``fire``, ``timer_ms``, ``snapshot``, ``restore``."""

    signature: Signature
    make: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Registry:
    """Registrations by canonical name (``namespace:name``)."""

    scalars: dict[str, ScalarExtension] = field(default_factory=dict)
    aggregators: dict[str, AggregatorExtension] = field(default_factory=dict)
    processors: dict[str, ProcessorExtension] = field(default_factory=dict)
    windows: dict[str, WindowExtension] = field(default_factory=dict)

    def add(self, extension: ScalarExtension | AggregatorExtension | ProcessorExtension | WindowExtension) -> None:
        """Register ``extension``; the same once more changes nothing.

        Raises:
            AlreadyRegistered: something else of its kind has its name.
        """
        match extension:
            case ScalarExtension():
                _put(self.scalars, extension)
            case AggregatorExtension():
                _put(self.aggregators, extension)
            case ProcessorExtension():
                _put(self.processors, extension)
            case WindowExtension():
                _put(self.windows, extension)

    def remove(self, name: str) -> None:
        """Forget what is registered under ``name`` (for tests)."""
        for kind in (self.scalars, self.aggregators, self.processors, self.windows):
            kind.pop(name, None)


def _put(kind: dict[str, Any], extension: Any) -> None:
    name = extension.signature.name
    before = kind.setdefault(name, extension)
    if before is not extension:
        raise AlreadyRegistered(f"{name!r} is registered twice; each name stands for one thing")


REGISTRY: Final = Registry()
"""Of this process."""
