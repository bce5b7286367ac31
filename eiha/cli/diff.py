"""``eiha diff A [B]``: in what two snapshots differ, by plan, query, operator, field and key; reads files only.

What is given is a snapshot file, or a directory of dumps that a node made when states differed
(``<data>/divergence/<sequence>``). Exit status: 0 equal, 1 different, 2 something cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

from eiha.errors import CorruptFile, EihaError

EQUAL: Final = 0
DIFFERENT: Final = 1
UNREADABLE: Final = 2

LINES_MAX: Final = 200
"""Differences that are printed without ``--all``."""

MINE: Final = "mine"
PEER: Final = "peer"


@dataclass(frozen=True, slots=True)
class Line:
    """One difference. ``more``: that many others of ``field`` are not told."""

    plan: str
    part: str
    field: str
    key: str
    mine: str
    peer: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    path: Path
    sequence: int
    epoch: int
    engine: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("mine", type=Path, metavar="A", help="a snapshot file, or a directory of dumps")
    parser.add_argument("peer", type=Path, metavar="B", nargs="?", help="another; left out: the peer's in directory A")
    parser.add_argument("--all", action="store_true", help=f"print more than {LINES_MAX} differences, of every value")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Compare; 0 equal, 1 different, 2 something cannot be read."""
    try:
        mine_path, peer_path = _chosen(options.mine, options.peer)
        mine, peer = _read(mine_path), _read(peer_path)
        found = _lines(mine.engine, peer.engine, items_max=sys.maxsize if options.all else None)
        lines = list(found if options.all else islice(found, LINES_MAX))
        is_cut = next(found, None) is not None
    except EihaError as error:
        print(f"eiha diff: {error}", file=sys.stderr)
        return UNREADABLE
    if options.json:
        _print_json(mine, peer, lines, is_cut=is_cut)
    else:
        _print_text(mine, peer, lines, is_cut=is_cut)
    return DIFFERENT if lines else EQUAL


def _chosen(mine: Path, peer: Path | None) -> tuple[Path, Path]:
    """The two files. Raises ``CorruptFile`` where there are none."""
    if peer is not None:
        return _of_directory(mine, MINE), _of_directory(peer, MINE)
    if not mine.is_dir():
        raise CorruptFile(f"{mine} is one file: what is it to be compared with? Name another, or a directory of dumps")
    return _of_directory(mine, MINE), _of_directory(mine, PEER)


def _of_directory(path: Path, name: str) -> Path:
    if not path.is_dir():
        return path
    if not (path / name).exists():
        held = ", ".join(sorted(each.name for each in path.iterdir())) or "nothing"
        raise CorruptFile(f"{path} holds no file {name!r} (but {held}): is it a dump, and of both sides?")
    return path / name


def _read(path: Path) -> _State:
    """A snapshot file, whole. Raises ``CorruptFile``."""
    from eiha.engine.state_stream import read_state
    from eiha.storage.packed_snapshot import read_snapshot_file

    try:
        snapshot, engine_state = read_snapshot_file(path)
        state = read_state(engine_state)
        for part in state["plans"].values():
            if not _is_plan(part):
                raise CorruptFile("a plan's part of the state has not the fields that it needs")
    except CorruptFile as error:
        raise CorruptFile(f"{path}: {error}") from error
    except (KeyError, AttributeError) as error:
        raise CorruptFile(f"{path}: the engine's state has no field {error}") from error
    return _State(path, snapshot.position.sequence, snapshot.position.epoch, state)


def _is_plan(part: Any) -> bool:
    """Whether it has what is needed to tell its values; what is in its state is looked at as far as it goes."""
    match part:
        case {"text": str(), "strings": {"texts": list() as texts}, "state": dict()}:
            return all(isinstance(each, str) for each in texts)
        case _:
            return False


def _lines(mine: dict[str, Any], peer: dict[str, Any], *, items_max: int | None) -> Iterator[Line]:
    from eiha.engine.state_diff import ITEMS_MAX, MISSING, differences
    from eiha.engine.state_words import PlanWords

    bound = ITEMS_MAX if items_max is None else items_max
    for name in (each for each in mine if each != "plans"):
        for found in differences(mine[name], peer.get(name, MISSING), items_max=bound, way=(name,)):
            yield Line("", "engine", name, "", repr(found.mine), repr(found.theirs))
    for name, part in mine["plans"].items():
        other = peer["plans"].get(name)
        if other is None:
            yield Line(name, "deployment", "", "", "deployed", "(missing)")
            continue
        words, theirs = PlanWords(name, part), PlanWords(name, other)
        if words.refusal:
            print(
                f"plan {name} does not compile here, its operators are told by place: {words.refusal}", file=sys.stderr
            )
        for found in differences(part, other, items_max=bound):
            operator, field, key = words.place(found.way)
            if found.more:
                yield Line(name, operator, f"{field} {key}".strip(), "", "", "", found.more)
                continue
            if found.mine is MISSING:
                _, field, key = theirs.place(found.way)
            yield Line(
                name, operator, field, key, words.value(found.way, found.mine), theirs.value(found.way, found.theirs)
            )
    for name in peer["plans"]:
        if name not in mine["plans"]:
            yield Line(name, "deployment", "", "", "(missing)", "deployed")


def _print_text(mine: _State, peer: _State, lines: list[Line], *, is_cut: bool) -> None:
    print(f"mine: {mine.path}, state after entry {mine.sequence} of epoch {mine.epoch}")
    print(f"peer: {peer.path}, state after entry {peer.sequence} of epoch {peer.epoch}")
    if mine.sequence != peer.sequence:
        print("The positions differ: what the entries between them changed shows as a difference, too.")
    if not lines:
        print("The states are equal.")
    for (plan, part), group in groupby(lines, key=lambda line: (line.plan, line.part)):
        print(f"\n{f'plan {plan}: ' if plan else ''}{part}")
        for line in group:
            place = ", ".join(each for each in (line.field, line.key) if each) or "the whole"
            print(f"  {place}: " + (f"and {line.more:,} more" if line.more else f"mine {line.mine}, peer {line.peer}"))
    if is_cut:
        print(f"\nOnly the first {LINES_MAX} differences are shown; --all prints every one.")


def _print_json(mine: _State, peer: _State, lines: list[Line], *, is_cut: bool) -> None:
    states = {
        name: {"file": str(state.path), "sequence": state.sequence, "epoch": state.epoch}
        for name, state in ((MINE, mine), (PEER, peer))
    }
    document = {**states, "equal": not lines, "cut": is_cut, "differences": [asdict(line) for line in lines]}
    print(json.dumps(document, indent=1))
