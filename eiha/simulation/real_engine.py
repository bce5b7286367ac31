"""The columnar engine under simulated faults, with random events for whatever plan it is given.

This is how users test a plan against failovers: the rows in the stores must be those of one undisturbed run.
"""

from __future__ import annotations

import random
from typing import Any, Final

import numpy as np

from eiha.engine.error_rows import ERRORS_SINK
from eiha.engine.runtime import EVENTS_SINK, PROCESSED_SINK, EngineRuntime
from eiha.events.schema import AttributeType, Schema, StreamDefinition
from eiha.events.wire import WIRE_DTYPES, WireBatch, WireColumn, encode
from eiha.plan.compilation import compile_plan
from eiha.protocol.log_entry import DeployPlan
from eiha.simulation.workload import Workload

PLAN_NAME: Final = "simulated"

DEFAULT_TABLE: Final = "Limits"

_SET_LIMIT: Final = (
    "select '{room}' as room, {degrees}.0 as degrees update or insert into Limits "
    "set Limits.degrees = degrees on Limits.room == room"
)

DEFAULT_PLAN: Final = """
@store(type='events')
define stream Readings (room string, degrees double, number int);
@PrimaryKey('room') define table Limits (room string, degrees double);

from Readings#window.length(20)
select room, avg(degrees) as average, count() as readings group by room insert into Averages;

from Readings#window.time(500 milliseconds)
select room, sum(number) as total group by room insert into Totals;

from every first=Readings[degrees > 80.0] -> second=Readings[room == first.room and degrees < 20.0] within 2 sec
select first.room as room, first.number as before, second.number as after insert into Drops;

from Readings join Limits on Readings.room == Limits.room and Readings.degrees > Limits.degrees
select Readings.room as room, Readings.number as number, Limits.degrees as degrees insert into Above;
"""

_WORDS: Final = ("", "a", "b", "c", "hall", "attic")


def real_workload(plan: str) -> Workload:
    """The real engine on ``plan`` (empty: ``DEFAULT_PLAN``).

    Raises:
        PlanError: the plan does not compile.
    """
    text = plan or DEFAULT_PLAN
    compiled = compile_plan(text, name=PLAN_NAME)
    streams = [compiled.stream(name) for name in sorted(compiled.defined)]

    def make_payload(rng: random.Random) -> tuple[str, int, bytes]:
        stream = rng.choice(streams)
        rows = rng.choice((1, 1, 2, 5))
        return stream.name, rows, encode(_random_batch(rng, stream, rows))

    tables = [table.name for table in compiled.tables]

    def make_statement(number: int) -> tuple[str, str]:
        """Limits come and go in the default plan; tables of other plans are emptied, as nothing else fits them all."""
        if not plan and number % 4:
            room, degrees = _WORDS[number % len(_WORDS)], (37 * number) % 200 - 100
            return PLAN_NAME, _SET_LIMIT.format(room=room, degrees=degrees)
        return PLAN_NAME, f"delete {tables[number % len(tables)] if tables else DEFAULT_TABLE} on 1 == 1"

    return Workload(
        EngineRuntime,
        (EVENTS_SINK, PROCESSED_SINK, ERRORS_SINK),
        (DeployPlan(PLAN_NAME, text),),
        make_payload,
        make_statement,
    )


def _random_batch(rng: random.Random, stream: StreamDefinition, rows: int) -> WireBatch:
    schema: Schema = stream.schema
    columns = tuple(_random_column(rng, attribute.type, rows) for attribute in schema.attributes)
    return WireBatch(rows, None, columns)


def _random_column(rng: random.Random, type_: AttributeType, rows: int) -> WireColumn:
    """Small values that meet often; now and then a null."""
    nulls = [rng.random() < 0.05 for _ in range(rows)]
    valid = None if not any(nulls) else ~np.array(nulls)
    if type_ is AttributeType.STRING:
        codes = np.array([rng.randrange(len(_WORDS)) for _ in range(rows)], dtype=np.int32)
        return WireColumn(type_, codes, valid, _WORDS)
    values: list[Any]
    if type_ is AttributeType.OBJECT:
        values = [None] * rows
        return WireColumn(type_, np.array(values, dtype=np.object_), valid)
    if type_ is AttributeType.BOOL:
        values = [rng.random() < 0.5 for _ in range(rows)]
    elif type_ in (AttributeType.FLOAT, AttributeType.DOUBLE):
        values = [rng.uniform(-100, 100) for _ in range(rows)]
    else:
        values = [rng.randint(-100, 100) for _ in range(rows)]
    array = np.array(values, dtype=np.bool_ if type_ is AttributeType.BOOL else WIRE_DTYPES[type_])
    if valid is not None:
        array[~valid] = 0
    return WireColumn(type_, array, valid)
