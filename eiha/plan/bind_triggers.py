"""``define trigger``: a stream of moments."""

from __future__ import annotations

from typing import Final

from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.kernel.cron import CronError, parse_cron
from eiha.plan.nodes import Trigger
from eiha.siddhiql import definition_tree

TRIGGER_SCHEMA: Final = Schema((Attribute("triggered_time", AttributeType.LONG),))
"""What the rows of every trigger look like."""

_AT_START: Final = "start"


def bind_trigger(definition: definition_tree.DefineTrigger) -> tuple[Trigger, tuple[str, ...]]:
    """The trigger, and warnings."""
    name, at, span = definition.name, definition.at, definition.span
    warnings = [f"@{note.name} on trigger {name!r} has no effect" for note in definition.annotations]
    if not isinstance(at, str):
        return Trigger(name, every_ms=at.milliseconds, span=span), tuple(warnings)
    if at.lower() == _AT_START:
        return Trigger(name, span=span), tuple(warnings)
    try:
        parse_cron(at)
    except CronError as error:
        # as recorded: such an app is accepted, and shut down as it starts
        warnings.append(f"line {span.line}: the plan stops as it starts, since trigger {name!r} cannot be set: {error}")
    return Trigger(name, cron=at, span=span), tuple(warnings)
