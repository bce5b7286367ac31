"""What a step's condition says of the arriving event by way of a captured one.

In ``e1=S[price > 990] -> e2=S[price > e1.price]`` every ``e2`` has a price above 990. Such bounds cost a comparison by
columns, and spare the search through the matches that wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from eiha.engine.patterns.conditions import MIRRORED, conjuncts
from eiha.events.schema import AttributeType
from eiha.plan.expressions import AttributeRef, Compare, CompareOp, Expression, Literal
from eiha.plan.nodes import PatternStep

_EQUAL: Final = CompareOp.EQUAL
_UP: Final = (CompareOp.GREATER, CompareOp.GREATER_EQUAL)
_DOWN: Final = (CompareOp.LESS, CompareOp.LESS_EQUAL)


def implied_bounds(steps: tuple[PatternStep, ...], position: int) -> Iterator[Compare]:
    """Comparisons of the arriving event of the step at ``position`` with constants that its condition implies."""
    for part in conjuncts(steps[position].condition):
        pair = _arriving_and_captured(part, position)
        if pair is None:
            continue
        arriving, op, captured = pair
        for bound in _bounds(steps[captured.source].condition, captured):
            common = _common(op, bound.op)
            if common is not None:
                yield Compare(common, arriving, bound.right, part.span)


def _arriving_and_captured(part: Expression, position: int) -> tuple[AttributeRef, CompareOp, AttributeRef] | None:
    """``part`` as a comparison of the arriving event (on the left) with a captured one, of one type."""
    if not isinstance(part, Compare):
        return None
    left, right, op = part.left, part.right, part.op
    if not (isinstance(left, AttributeRef) and isinstance(right, AttributeRef)):
        return None
    if left.source != position:
        left, right, op = right, left, MIRRORED.get(op, op)
    is_pair = left.source == position and left.event_index == 0 and right.source != position
    if not is_pair or left.type is not right.type or left.type is AttributeType.OBJECT:
        return None
    return left, op, right


def _bounds(condition: Expression | None, captured: AttributeRef) -> Iterator[Compare]:
    """What the captured event's own condition says of the attribute, which stands on the left."""
    own = (captured.source, captured.attribute, 0)
    for part in conjuncts(condition):
        if not isinstance(part, Compare):
            continue
        left, right, op = part.left, part.right, part.op
        if isinstance(left, Literal):
            left, right, op = right, left, MIRRORED.get(op, op)
        if not (isinstance(left, AttributeRef) and isinstance(right, Literal)):
            continue
        if (left.source, left.attribute, left.event_index) == own:
            yield Compare(op, left, right, part.span)


def _common(first: CompareOp, second: CompareOp) -> CompareOp | None:
    """``a first b`` and ``b second c`` give ``a ? c``."""
    if first is _EQUAL:
        return second if second is not CompareOp.NOT_EQUAL else None
    for direction in (_UP, _DOWN):
        if first in direction and (second in direction or second is _EQUAL):
            is_strict = first is direction[0] or second is direction[0]
            return direction[0] if is_strict else direction[1]
    return None
