"""The identity of a plan: both nodes, and a snapshot and the plan it is restored into, must agree on it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from eiha.plan.nodes import Plan
from eiha.plan.plan_text import plan_text

FORMAT: Final = 1
"""Raised when the meaning of the same plan text changes (e.g. a rewrite that moves operator state)."""


def digest(plan: Plan) -> str:
    """32 hex digits, equal for plans that behave equally by construction: places and warnings do not count."""
    text = f"eiha plan {FORMAT}\n{plan_text(replace(plan, warnings=()))}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
