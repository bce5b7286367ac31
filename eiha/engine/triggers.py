"""``define trigger``: when each trigger of a plan fires next, by the wall clock."""

from __future__ import annotations

import numpy as np

from eiha.engine.operator import OperatorState
from eiha.engine.windows.java_hash_table import hash_map_order, hash_map_table, spread_hash
from eiha.events.batch import EventBatch
from eiha.events.column import Column
from eiha.events.schema import AttributeType, Schema
from eiha.kernel.cron import CronError, CronSchedule, parse_cron
from eiha.plan.nodes import Plan, Trigger


class Triggers:
    """The triggers of a plan. As recorded, they start in the order of a hash table of their names.

    ``problem``: why one of them cannot be set; then the plan stops as it starts.
    """

    __slots__ = ("_dues", "_names", "_schedules", "_schemas", "_triggers", "problem")

    def __init__(self, plan: Plan) -> None:
        hashes = [spread_hash(each.name) for each in plan.triggers]
        self._triggers = [plan.triggers[place] for place in hash_map_order(hashes, hash_map_table(len(hashes)))]
        self._schemas = {each.name: plan.stream(each.name).schema for each in self._triggers}
        self._schedules: dict[str, CronSchedule] = {}
        self._dues: list[int | None] = [None] * len(self._triggers)
        self.problem: str | None = None
        for each in self._triggers:
            if each.cron is not None:
                self._set(each.name, each.cron)

    def _set(self, name: str, cron: str) -> None:
        try:
            self._schedules[name] = parse_cron(cron)
        except CronError as error:
            self.problem = f"trigger {name!r} cannot be set, so the plan does not run: {error}"

    def __len__(self) -> int:
        return len(self._triggers)

    def start(self, wall_ms: int) -> list[str]:
        """Count from ``wall_ms``; the streams of the triggers that fire at once, in order."""
        self._dues = [self._first(each, wall_ms) for each in self._triggers]
        return [each.name for each in self._triggers if each.every_ms is None and each.cron is None]

    def _first(self, trigger: Trigger, wall_ms: int) -> int | None:
        if trigger.cron is not None:
            schedule = self._schedules.get(trigger.name)
            return None if schedule is None else schedule.next_after(wall_ms)
        return None if trigger.every_ms is None else wall_ms + trigger.every_ms

    def due_ms(self, place: int) -> int | None:
        """When the trigger at ``place`` fires next."""
        return self._dues[place]

    def next_timer_ms(self) -> int | None:
        """When the next one fires."""
        return min((due for due in self._dues if due is not None), default=None)

    def earliest(self) -> int:
        """The place of the trigger that fires next; there must be one."""
        due_ms = self.next_timer_ms()
        return self._dues.index(due_ms)

    def fire(self, place: int) -> str:
        """Set the next moment of the trigger at ``place``, whose stream is given."""
        trigger, due = self._triggers[place], self._dues[place]
        assert due is not None
        if trigger.cron is not None:
            self._dues[place] = self._schedules[trigger.name].next_after(due)
        else:
            assert trigger.every_ms is not None
            self._dues[place] = due + trigger.every_ms if trigger.every_ms else None
        return trigger.name

    def row(self, stream: str, now_ms: int) -> EventBatch:
        """What goes into ``stream`` when its trigger fires at ``now_ms`` of the plan's clock."""
        moment = np.array([now_ms], dtype=np.int64)
        schema: Schema = self._schemas[stream]
        return EventBatch(schema, moment, (Column(AttributeType.LONG, moment),), None, np.zeros(1, dtype=np.int64))

    def snapshot(self) -> OperatorState:
        """When each fires next."""
        return {"dues": list(self._dues)}

    def restore(self, state: OperatorState) -> None:
        """Take over what ``snapshot`` gave."""
        self._dues = list(state["dues"])
