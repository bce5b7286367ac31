"""From a pattern of the plan to its operator."""

from __future__ import annotations

from eiha.engine.expressions.rows import Scope
from eiha.engine.patterns.chain import make_chain
from eiha.engine.patterns.follow import FollowPattern
from eiha.engine.patterns.layout import match_schema
from eiha.plan.nodes import PatternInput


def make_pattern(source: PatternInput, scope: Scope) -> FollowPattern:
    """The operator for ``source``; the rows it puts out have ``layout.match_schema``.

    Args:
        source: as bound.
        scope: of the plan; the conditions' own names are resolved here.

    Raises:
        UnsupportedConstruct: there is no operator for this kind of pattern yet.
    """
    return FollowPattern(make_chain(source), match_schema(source), scope)
