"""A case: a plan, steps with their times, and what was recorded. One JSON object a line; see docs/testing.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from eiha.errors import EihaError


class MalformedCase(EihaError):
    """A line of a case file is not a case; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Send:
    """Events for one stream in one call: (timestamp, values) each. One event that came alone is ``single``.

    ``stamped`` False: it is stamped with the clock of the app as it comes.
    """

    time_ms: int
    stream: str
    events: tuple[tuple[int, tuple[Any, ...]], ...]
    single: bool
    stamped: bool = True


@dataclass(frozen=True, slots=True)
class Advance:
    """Time passes; ``event_clock``: in playback the event clock moves, too."""

    time_ms: int
    event_clock: bool


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """``persist``, ``restore``, ``restart``, ``restart_restore``, ``persist_restore`` or ``stop``."""

    time_ms: int
    action: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the plan, or a statement."""

    time_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Beyond:
    """A step that this version does not run."""

    time_ms: int
    construct: str


Step = Send | Advance | Lifecycle | Ask | Beyond

_LIFECYCLE = frozenset({"@stop", "@persist", "@restore", "@restart", "@restart_restore", "@persist_restore"})


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``streams`` and ``queries`` None: all (all named ones). ``asked``: texts by the step after which they
    are asked, -1 before the first. ``tables``: those whose rows are read at the end; None: all. ``purging``: idle keys
    of partitions and old buckets of aggregations are dropped. ``playback_start_ms``: where the event clock stands
    before the start. ``restores_before_start``: a snapshot is restored before the app starts again.
    """

    name: str
    app: str
    playback: bool
    start_ms: int
    steps: tuple[Step, ...]
    streams: tuple[str, ...] | None
    queries: tuple[str, ...] | None
    refused: bool
    expected: dict[str, Any]
    any_order: bool
    asked: dict[int, tuple[str, ...]]
    tables: tuple[str, ...] | None
    quirk: str
    purging: bool = False
    playback_start_ms: int | None = None
    restores_before_start: bool = False


def read_cases(text: str, source: str) -> list[Case]:
    """All cases of a file.

    Raises:
        MalformedCase: with ``source`` and the line.
    """
    cases: list[Case] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as cause:
            raise MalformedCase(f"{source}, line {number}: not JSON: {cause}") from cause
        if not isinstance(fields, dict):
            raise MalformedCase(f"{source}, line {number}: a case must be a JSON object")
        try:
            cases.append(_case(fields))
        except KeyError as cause:
            raise MalformedCase(f"{source}, line {number}: the case has no field {cause}") from cause
        except (TypeError, ValueError, IndexError) as cause:
            raise MalformedCase(f"{source}, line {number}: a field has not the form of a case: {cause}") from cause
    return cases


def _case(fields: dict[str, Any]) -> Case:
    mode = fields.get("mode", "playback")
    if mode not in ("playback", "live"):
        raise ValueError(f"mode must be 'playback' or 'live', not {mode!r}")
    expected = fields["expected"]
    asked: dict[int, tuple[str, ...]] = {}
    for step, text in fields.get("ondemand", ()):
        asked[int(step)] = (*asked.get(int(step), ()), str(text))
    tables = fields.get("tables") or ()
    streams, queries = fields.get("streams"), fields.get("queries")
    return Case(
        name=str(fields["name"]),
        app=str(fields["app"]),
        playback=mode == "playback",
        start_ms=int(fields.get("start", 0)),
        steps=tuple(_step(step) for step in fields["input"]),
        streams=None if streams is None else tuple(streams),
        queries=None if queries is None else tuple(queries),
        refused=fields.get("expect") == "error" or not expected.get("ok", True),
        expected=expected,
        any_order=fields.get("row_order") == "any",
        asked=asked,
        tables=None if tables is True else tuple(tables),
        quirk=str(fields.get("quirk", "")),
        purging=bool(fields.get("purging", False)),
        playback_start_ms=None if fields.get("playback_start") is None else int(fields["playback_start"]),
        restores_before_start=bool(fields.get("restore_before_start", False)),
    )


def _step(step: list[Any]) -> Step:
    time_ms, what = int(step[0]), str(step[1])
    if not what.startswith("@"):
        timestamp = int(step[3]) if len(step) > 3 else time_ms
        return Send(time_ms, what, ((timestamp, tuple(step[2])),), single=True)
    if what.startswith("@batch:"):
        events = tuple((int(event[0]), tuple(event[1])) for event in step[2])
        return Send(time_ms, what.removeprefix("@batch:"), events, single=False)
    if what == "@advance":
        return Advance(time_ms, event_clock=True)
    if what == "@sleep":
        return Advance(time_ms, event_clock=False)
    if what in _LIFECYCLE:
        return Lifecycle(time_ms, what[1:])
    if what == "@query":
        return Ask(time_ms, str(step[2]))
    if what.startswith("@send:"):
        return Send(time_ms, what.removeprefix("@send:"), ((time_ms, tuple(step[2])),), single=True, stamped=False)
    construct = what[1:].split(":")[0]
    if construct != "playback":
        raise ValueError(f"no step is called {what!r}")
    return Beyond(time_ms, f"step.{construct}")
