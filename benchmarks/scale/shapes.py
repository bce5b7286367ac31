"""Plans whose state has one size each: groups, table rows, partitions, rows of a window, or the number of plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STREAM: Final = "define stream S (key string, value double, number int);\n"
ROW_BYTES: Final = 4 + 8 + 4
"""Of one event in the log and on the wire: code of the key, value, number; the key's text is counted apart."""


@dataclass(frozen=True, slots=True)
class Shape:
    """``plan`` may say ``{size}``; ``keys`` distinct keys are drawn, None: as many as the size; texts or numbers."""

    name: str
    what: str
    plan: str
    keys: int | None = None
    text_keys: bool = True


SHAPES: Final = (
    Shape(
        "groups",
        "group keys, each with a row in a window",
        STREAM
        + "from S#window.length({size}) select key, sum(value) as total, count() as n group by key insert into Out;",
    ),
    Shape(
        "numbers",
        "group keys that are numbers, each with a row in a window",
        STREAM.replace("key string", "key long")
        + "from S#window.length({size}) select key, sum(value) as total, count() as n group by key insert into Out;",
        text_keys=False,
    ),
    Shape(
        "table",
        "rows of a table with a primary key",
        STREAM
        + "@PrimaryKey('key') define table T (key string, value double, number int);\n"
        + "from S select key, value, number update or insert into T on T.key == key;",
    ),
    Shape(
        "partitions",
        "partitions by value, each with a window of two rows",
        STREAM
        + "partition with (key of S) begin\n"
        + "from S#window.length(2) select key, avg(value) as a insert into Out;\nend;",
    ),
    Shape(
        "window",
        "rows of a length window over 100 keys",
        STREAM + "from S#window.length({size}) select key, avg(value) as a group by key insert into Out;",
        keys=100,
    ),
)

SMALL_PLAN: Final = (
    STREAM
    + "from S[value > 0.5] select key, value, number insert into Filtered;\n"
    + "from S#window.length(100) select key, avg(value) as a group by key insert into Averages;"
)
"""What ``plans`` counts: a filter and a small window."""
