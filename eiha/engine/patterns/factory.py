"""From a pattern of the plan to its operator, and to what names mean over the matches that it puts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eiha.engine.expressions.rows import Scope
from eiha.engine.pattern_stage import PatternStage
from eiha.engine.patterns.chain import is_chain, make_chain
from eiha.engine.patterns.consecutive import ConsecutivePattern, ConsecutiveProgram, is_consecutive
from eiha.engine.patterns.follow import FollowPattern
from eiha.engine.patterns.general_pattern import GeneralPattern, PatternProgram
from eiha.engine.patterns.layout import match_schema, match_scope
from eiha.engine.patterns.match_columns import match_columns
from eiha.engine.patterns.references import reads_one_event_only
from eiha.engine.patterns.step_program import step_program
from eiha.engine.patterns.stepped_pattern import SteppedPattern
from eiha.plan.nodes import PatternInput


@dataclass(frozen=True, slots=True)
class PatternMaker:
    """``make`` gives an instance with empty state, cheaply; ``scope`` says what names mean over its matches.

    ``in_a_row``: what is run if matches are nothing but rows one after the other, else None.
    """

    make: Callable[[], PatternStage]
    scope: Scope
    in_a_row: ConsecutiveProgram | None = None


def pattern_maker(
    source: PatternInput, read_by_query: Any, scope: Scope, *, over_all_keys: bool = False
) -> PatternMaker:
    """The operators for ``source``: rows in a row; a compiled scan for plain chains in which no matches are found by
    key; else the machine, compiled where that can be done.

    Args:
        source: as bound.
        read_by_query: the part of the plan that reads matches (the selector).
        scope: of the plan; the conditions' own names are resolved here.
        over_all_keys: the pattern stands in a partition, and one instance serves all keys.
    """
    columns = match_columns(read_by_query)
    if is_consecutive(source) and reads_one_event_only((source.steps, read_by_query)):
        consecutive = ConsecutiveProgram(source, columns, scope)
        return PatternMaker(lambda: ConsecutivePattern(consecutive), columns.scope(scope), consecutive)
    program = PatternProgram(source, columns, scope)
    stepped = step_program(program, scope)
    # as recorded: of matches that overtook one another while they waited, those too old behind one that is not stay;
    # with all keys in one list, one would keep those of others
    overtakes = source.within_ms is not None and not source.is_sequence and len(source.steps) > 2
    steps_well = stepped is not None and (
        not over_all_keys if overtakes else stepped.keyed > 0 or (stepped.reckons and not over_all_keys)
    )
    if is_chain(source) and not steps_well and reads_one_event_only((source.steps, read_by_query)):
        chain, schema = make_chain(source), match_schema(source)
        return PatternMaker(lambda: FollowPattern(chain, schema, scope), match_scope(source, scope))
    if stepped is not None:
        return PatternMaker(lambda: SteppedPattern(stepped, scope.strings), columns.scope(scope))
    return PatternMaker(lambda: GeneralPattern(program), columns.scope(scope))
