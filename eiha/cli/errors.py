"""``eiha errors list | show | replay``: events that plans could not take, kept in the error store."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

from eiha.cli.node_client import (
    NodeRefused,
    Target,
    add_target_arguments,
    find_active,
    publish_json,
    read_json,
    read_target,
)
from eiha.errors import ConfigurationError
from eiha.node.config_reader import read_config
from eiha.node.databases import error_source
from eiha.storage.error_store import ErrorGroup, ErrorRow, ErrorStore

T = TypeVar("T")

ROWS_OF_REQUEST: Final = 1_000
"""Events that are published again in one request, which is taken whole or not at all."""

UNDECODABLE: Final = "undecodable"

TIME_KEY: Final = "eiha_event_time"
"""Key of the event time beside the attributes, with underscores behind it while an attribute has that name."""


class Times(Enum):
    """What time events get that are published again."""

    OWN = "own"
    """The one that their clients gave; else, as they came without, that of now."""

    KEPT = "kept"
    """The one that they had in the log, whoever gave it."""

    NEW = "new"
    """That of now."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_target_arguments(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line an entry, newest first")
    listing.add_argument("--plan", default="", metavar="NAME", help="of this plan only")
    listing.add_argument("--json", action="store_true", help="as JSON")
    showing = actions.add_parser("show", help="the events of one entry")
    replaying = actions.add_parser("replay", help="publish events again, to the plan that did not take them")
    for action, required in ((showing, True), (replaying, False)):
        action.add_argument("plan", metavar="PLAN", help="name of the plan")
        action.add_argument(
            "sequence", type=int, metavar="SEQUENCE", nargs=None if required else "?", help="which entry; default: all"
        )
    showing.add_argument("--json", action="store_true", help="as JSON")
    for action in (listing, showing, replaying):
        add_target_arguments(action, below=True)
    stamping = replaying.add_mutually_exclusive_group()
    stamping.add_argument("--keep-time", action="store_true", help="each event gets the time that it had in the log")
    stamping.add_argument("--new-time", action="store_true", help="each event gets the time of now")


def run(options: argparse.Namespace) -> int:
    """Act; 0 when it is done, 1 when some events could not be published again. Raises ``EihaError``."""
    match options.action:
        case "list":
            groups = _asked(options, lambda store: store.groups(options.plan))
            print(json.dumps([_group(each) for each in groups]) if options.json else listed(groups))
            return 0
        case "show":
            rows = _asked(options, lambda store: store.rows(options.plan, options.sequence))
            if not rows:
                raise ConfigurationError(f"there are no errors of plan {options.plan!r} at sequence {options.sequence}")
            print(json.dumps([row_document(each) for each in rows]) if options.json else shown(rows))
            return 0
        case _:
            target = read_target(options)
            times = Times.KEPT if options.keep_time else Times.NEW if options.new_time else Times.OWN
            return _asked(options, lambda store: replay(store, target, options.plan, options.sequence, times))


def _asked(options: argparse.Namespace, work: Callable[[ErrorStore], Awaitable[T]]) -> T:
    paths = list(options.config)
    if not paths and "EIHA_CONFIG" in os.environ:
        paths = [Path(os.environ["EIHA_CONFIG"])]
    if not paths:
        raise ConfigurationError("the error store is a database of the configuration: give --config FILE")
    config = read_config(paths[0], os.environ)

    async def ask() -> T:
        store = ErrorStore(error_source(config))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(ask())


async def replay(store: ErrorStore, target: Target, plan: str, sequence: int | None, times: Times = Times.OWN) -> int:
    """Publish what was not published again yet, entry by entry in their order; 1 if some could not be.

    Each request carries a key made of what it holds, so that one whose answer got lost is not counted twice, and is
    refused if it comes again with other times.
    """
    active = find_active(target)
    suspended = read_json(f"{active}/status", tls=target.tls)["suspended_plans"]
    if plan in suspended:
        raise NodeRefused(f"plan {plan!r} is suspended: {suspended[plan]}. Deploy it anew first: eiha deploy")
    groups = [group for group in await store.groups(plan) if group.replayed < group.rows]
    if sequence is not None:
        groups = [group for group in groups if group.sequence == sequence]
    status = 0
    for group in reversed(groups):
        rows = [row for row in await store.rows(plan, group.sequence) if row.stream == group.stream]
        for part in parts(rows):
            if all(row.replayed_at_ms for row in part):
                continue
            try:
                _publish(target, active, part, times)
            except NodeRefused as refusal:
                print(f"entry {group.sequence}, stream {group.stream}: not published again: {refusal}")
                status = 1
                continue
            await store.mark_replayed(part, time.time_ns() // 1_000_000)
            print(f"entry {group.sequence}, stream {group.stream}: {len(part)} events published again")
    if not groups:
        print("there is nothing to publish again")
    return status


def parts(rows: list[ErrorRow]) -> list[list[ErrorRow]]:
    """``rows`` as they are requested, the same whatever times are asked for: in one, all have a time of their own or
    none has; what could not be read is apart.
    """
    found: list[list[ErrorRow]] = []
    for _, run in groupby(rows, key=lambda row: (row.has_time, row.cause == UNDECODABLE)):
        alike = list(run)
        found += [alike[start : start + ROWS_OF_REQUEST] for start in range(0, len(alike), ROWS_OF_REQUEST)]
    return found


def _publish(target: Target, active: str, rows: list[ErrorRow], times: Times) -> None:
    first = rows[0]
    if first.cause == UNDECODABLE:
        raise NodeRefused(f"{first.reason}; the bytes that came are in the event (eiha errors show)")
    path, body, key = request_of(rows, times)
    publish_json(target, active, path, body, key)


def request_of(rows: list[ErrorRow], times: Times) -> tuple[str, bytes, str]:
    """Path, body and key of the request that publishes them again. Raises ``NodeRefused`` for what is no event."""
    first = rows[0]
    path = "/v1/streams/" + urllib.parse.quote(f"{first.plan}:{first.stream}", safe="")
    key = f"errors {first.sequence} {first.ordinal} {first.stream} {first.plan}"[:200]
    events = [_event(row) for row in rows]
    if not all(isinstance(event, dict) for event in events):
        raise NodeRefused("what the error store holds is no event (eiha errors show): was it changed there?")
    if times is Times.KEPT or (times is Times.OWN and first.has_time):
        time_key = TIME_KEY
        while time_key in events[0]:
            time_key += "_"
        events = [event | {time_key: row.event_time_ms} for event, row in zip(events, rows, strict=True)]
        path += f"?event_time_key={time_key}"
    return path, json.dumps(events).encode(), key


def _event(row: ErrorRow) -> Any:
    """The event, or the text that stands in its place if it is none."""
    try:
        return json.loads(row.event)
    except (ValueError, RecursionError):
        return row.event


def listed(groups: list[ErrorGroup]) -> str:
    """One line an entry."""
    if not groups:
        return "the error store is empty"
    lines = []
    for each in groups:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(each.log_time_ms / 1_000))
        again = f", {each.replayed} published again" if each.replayed else ""
        lines.append(
            f"{each.sequence:>12}  {when}Z  {each.plan}  {each.stream}  {each.rows} events{again}  "
            f"{each.cause}: {_line(each.reason)}"
        )
    return "\n".join(lines)


def shown(rows: list[ErrorRow]) -> str:
    """What happened, then an event a line."""
    first = rows[0]
    lines = [f"{first.cause}: {_line(first.reason)}", f"client {_line(first.client)}, stream {first.stream}"]
    for row in rows:
        again = "  (published again)" if row.replayed_at_ms else ""
        lines.append(f"{row.ordinal:>8}  {_origin(row)}  {_line(row.event)}{again}")
    return "\n".join(lines)


def _origin(row: ErrorRow) -> str:
    """Where an event came from: a publication, a query at one, or a query as time passed."""
    if row.row_number >= 0:
        return f"row {row.row_number} of publication {row.client_sequence}"
    return f"at publication {row.client_sequence}" if row.client else "as time passed"


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _group(each: ErrorGroup) -> dict[str, Any]:
    return {
        "plan": each.plan,
        "sequence": each.sequence,
        "stream": each.stream,
        "cause": each.cause,
        "reason": each.reason,
        "log_time_ms": each.log_time_ms,
        "rows": each.rows,
        "replayed": each.replayed,
    }


def row_document(each: ErrorRow) -> dict[str, Any]:
    """One event as JSON has it."""
    return {
        "plan": each.plan,
        "sequence": each.sequence,
        "ordinal": each.ordinal,
        "stream": each.stream,
        "cause": each.cause,
        "reason": each.reason,
        "client": each.client,
        "client_sequence": each.client_sequence,
        "row": each.row_number,
        "event": _event(each),
        "event_time_ms": each.event_time_ms if each.has_time else None,
        "replayed_at_ms": each.replayed_at_ms or None,
    }
