"""Signatures of the windows of Siddhi 5.1's core, and which of them run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eiha.events.schema import AttributeType
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.functions import Misfit

_INT: Final = frozenset({AttributeType.INT})
_LONG: Final = frozenset({AttributeType.LONG})
_DURATION: Final = _INT | _LONG
_BOOL: Final = frozenset({AttributeType.BOOL})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its types, and whether it is a constant or an attribute."""

    name: str
    types: frozenset[AttributeType]
    is_constant: bool = True


_LENGTH: Final = Parameter("the length", _INT)
_TIME: Final = Parameter("the time", _DURATION)
_DELAY: Final = Parameter("the delay", _DURATION)
_START: Final = Parameter("the start time", _DURATION)
_STREAM_CURRENT: Final = Parameter("the flag to put current events out at once", _BOOL)
_TIMESTAMP: Final = Parameter("the timestamp", _LONG, is_constant=False)

OVERLOADS: Final[dict[str, tuple[tuple[Parameter, ...], ...]]] = {
    "length": ((_LENGTH,),),
    "lengthBatch": ((_LENGTH,), (_LENGTH, _STREAM_CURRENT)),
    "time": ((_TIME,),),
    "timeBatch": ((_TIME,), (_TIME, _START), (_TIME, _STREAM_CURRENT), (_TIME, _START, _STREAM_CURRENT)),
    "externalTime": ((_TIMESTAMP, _TIME),),
    "timeLength": ((_TIME, _LENGTH),),
    "delay": ((_DELAY,),),
    "batch": ((), (_LENGTH,)),
}
"""The windows that run, with their overloads."""

NOT_RUN: Final = frozenset({"cron", "externalTimeBatch", "frequent", "lossyFrequent", "session", "sort"})
"""Windows of the core that this version does not run yet."""


def check_arguments(name: str, arguments: Sequence[Expression]) -> None:
    """Hold ``arguments`` against the overloads of window ``name``, one of ``OVERLOADS``.

    Raises:
        Misfit: no overload fits; says which argument is wrong where that can be told.
    """
    overloads = OVERLOADS[name]
    problems = [_problem(overload, arguments) for overload in overloads]
    if all(problem is not None for problem in problems):
        # the overload of the same number of arguments tells best what was meant
        alike = [
            problem
            for overload, problem in zip(overloads, problems, strict=True)
            if len(overload) == len(arguments) and problem is not None
        ]
        raise Misfit(alike[0] if alike else f"it does not take {len(arguments)} arguments")
    if name == "timeBatch":
        length = arguments[0]
        assert isinstance(length, Literal)
        if int(length.value) <= 0:
            raise Misfit(f"the time must be above 0, not {length.value}")


def forms(name: str) -> tuple[str, ...]:
    """The valid forms of window ``name``, as a user would write them."""
    return tuple(f"{name}({', '.join(_form(parameter) for parameter in overload)})" for overload in OVERLOADS[name])


def _form(parameter: Parameter) -> str:
    types = " or ".join(type_.value for type_ in AttributeType if type_ in parameter.types)
    return f"<{types}{'' if parameter.is_constant else ' attribute'}>"


def _problem(overload: Sequence[Parameter], arguments: Sequence[Expression]) -> str | None:
    if len(overload) != len(arguments):
        return f"it does not take {len(arguments)} arguments"
    for parameter, argument in zip(overload, arguments, strict=True):
        if parameter.is_constant and not isinstance(argument, Literal):
            return f"{parameter.name} must be a constant"
        if not parameter.is_constant and not isinstance(argument, AttributeRef):
            return f"{parameter.name} must be an attribute"
        if argument.type not in parameter.types:
            return f"{parameter.name} cannot be {argument.type.value}"
    return None
