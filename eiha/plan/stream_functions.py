"""Stream functions and processors, and the columns they add: the core's here, those of namespaces in their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eiha.events.schema import Attribute, AttributeType
from eiha.plan.expressions import Expression, Literal
from eiha.plan.functions import Misfit
from eiha.plan.namespaces import tables
from eiha.plan.registry import REGISTRY
from eiha.plan.signatures import Signature

_STRING: Final = AttributeType.STRING
_BOOL: Final = AttributeType.BOOL
_DOUBLE: Final = AttributeType.DOUBLE

OVERLOADS: Final[dict[str, tuple[tuple[AttributeType, ...], ...]]] = {
    "log": ((), (_STRING,), (_BOOL,), (_STRING, _BOOL), (_STRING, _STRING), (_STRING, _STRING, _BOOL)),
    "pol2Cart": ((_DOUBLE, _DOUBLE), (_DOUBLE, _DOUBLE, _DOUBLE)),
}
"""Types of the arguments: log([priority,] [message,] [whether to log the event]); pol2Cart(theta, rho[, z])."""

LOG_PRIORITIES: Final = ("INFO", "DEBUG", "WARN", "FATAL", "ERROR", "OFF", "TRACE")


def stream_function_names() -> list[str]:
    """All names."""
    return [*OVERLOADS, *tables.PROCESSORS, *REGISTRY.processors]


def _processor(name: str) -> tuple[Signature, tuple[Attribute, ...]] | None:
    """What a processor takes and adds; None: there is none, or it is one of the core's functions."""
    known = tables.PROCESSORS.get(name)
    if known is not None:
        return known
    extension = REGISTRY.processors.get(name)
    return None if extension is None else (extension.signature, extension.adds)


def added_attributes(name: str, arguments: Sequence[Expression]) -> tuple[Attribute, ...]:
    """What stream function ``name``, one of ``stream_function_names``, adds to the rows.

    Raises:
        Misfit: the arguments fit no overload.
    """
    processor = _processor(name)
    if processor is not None:
        signature, added = processor
        signature.result(arguments)
        return added
    types = tuple(argument.type for argument in arguments)
    if types not in OVERLOADS[name]:
        raise Misfit(f"it does not take ({', '.join(type_.value for type_ in types)})")
    if name == "log":
        if types[:2] == (_STRING, _STRING):
            priority = arguments[0]
            known = isinstance(priority, Literal) and str(priority.value).upper() in LOG_PRIORITIES
            if isinstance(priority, Literal) and not known:
                raise Misfit(f"the priority must be one of {', '.join(LOG_PRIORITIES)}, not {priority.value!r}")
        return ()
    return tuple(Attribute(axis, _DOUBLE) for axis in ("x", "y", "z")[: len(types)])


def forms(name: str) -> tuple[str, ...]:
    """The valid forms of stream function ``name``."""
    processor = _processor(name)
    if processor is not None:
        return processor[0].forms
    return tuple(f"{name}({', '.join(f'<{type_.value}>' for type_ in overload)})" for overload in OVERLOADS[name])
