"""From text to plan in one step: parse, bind, rewrite."""

from __future__ import annotations

from eiha.plan.bind import bind
from eiha.plan.nodes import Plan
from eiha.plan.rewrites import rewrite
from eiha.siddhiql.parser import parse


def compile_plan(text: str, *, name: str | None = None) -> Plan:
    """The plan that ``text`` describes, ready to be lowered by the engine.

    Args:
        text: SiddhiQL.
        name: under which the plan is deployed; None: the one that its text gives (``@app:name``, ``@Plan:name``).

    Raises:
        PlanSyntaxError: ``text`` is not SiddhiQL.
        PlanSemanticError: names or types do not fit (``UnsupportedConstruct``: valid, but not run yet).
    """
    return rewrite(bind(parse(text), text, name=name))
