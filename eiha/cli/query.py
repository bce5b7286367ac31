"""``eiha query``: an on-demand query to the pair; rows as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from eiha.cli.node_client import add_target_arguments, query, read_target

_NUMBERS: Final = frozenset({"int", "long", "float", "double"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_target_arguments(parser)
    parser.add_argument("--plan", required=True, metavar="NAME", help="the plan whose tables are meant")
    parser.add_argument("--json", action="store_true", help="print what the node answers")
    parser.add_argument(
        "query",
        metavar="QUERY",
        help="'from T on price > 10 select symbol', 'update T set T.price = 0 on T.symbol == 'A'' or the like; "
        "- reads it from the standard input",
    )


def run(options: argparse.Namespace) -> int:
    """Ask and print; 0 when it is answered. Raises ``EihaError``."""
    text = sys.stdin.read() if options.query == "-" else options.query
    answer = query(read_target(options), options.plan, text)
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif "carried_out_at" in answer:
        print(f"carried out at sequence {answer['carried_out_at']}")
    else:
        print(table(answer))
    return 0


def table(answer: dict[str, Any]) -> str:
    """Columns side by side, numbers to the right, and how many rows there are. Nothing is cut off."""
    columns = [
        [name, *(_cell(row[position]) for row in answer["rows"])] for position, name in enumerate(answer["columns"])
    ]
    widths = [max(map(len, column)) for column in columns]
    right = [kind in _NUMBERS for kind in answer["types"]]

    def line(row: int) -> str:
        cells = (column[row] for column in columns)
        shown = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        return "  ".join(shown).rstrip()

    count = len(answer["rows"])
    return "\n".join(
        [
            line(0),
            "  ".join("-" * width for width in widths),
            *(line(row + 1) for row in range(count)),
            f"({count} {'row' if count == 1 else 'rows'})",
        ]
    )


def _cell(value: Any) -> str:
    match value:
        case None:
            return "null"
        case str():
            # one row, one line, and nothing that steers a terminal
            return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in value)
        case _:
            return json.dumps(value, ensure_ascii=False)
