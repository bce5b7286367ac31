"""Passes that make a bound plan cheaper and never different: same rows, same order, same failures.

One pass a file, each ``Plan -> Plan``; ``PASSES`` is their order. Imported by ``plan.compilation`` and explain only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eiha.plan.nodes import Plan
from eiha.plan.rewrites.count_unions import count_unions
from eiha.plan.rewrites.fold_constants import fold_constants
from eiha.plan.rewrites.merge_filters import merge_filters
from eiha.plan.rewrites.share_aggregates import share_aggregates
from eiha.plan.rewrites.silence_windows import silence_windows

PASSES: Final[tuple[Callable[[Plan], Plan], ...]] = (
    fold_constants,
    merge_filters,
    count_unions,
    share_aggregates,
    silence_windows,
)


def rewrite(plan: Plan) -> Plan:
    """``plan`` after all passes."""
    for each in PASSES:
        plan = each(plan)
    return plan
