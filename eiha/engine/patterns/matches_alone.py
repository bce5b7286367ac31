"""Order, limit and offset of a pattern: each match is a chunk of its own to them."""

from __future__ import annotations

from dataclasses import replace

from eiha.plan.nodes import Selector


def each_match_alone(selector: Selector) -> Selector:
    """What is left to do of them: nothing, but where no row of a chunk passes.

    So it was recorded: several matches that one event completes are put out together only where several steps await
    the event, and even then each was selected before they are.
    """
    keeps_none = selector.limit == 0 or (selector.offset or 0) > 0
    return replace(selector, order_by=(), limit=0 if keeps_none else None, offset=None)
