"""Tables made from stream definitions: names, types, and what an existing table must have.

A stream's table is called like the stream (with the sink's prefix). Its rows are keyed by the output id. What is there
is only ever added to: a new attribute becomes a new nullable column; a column whose type does not fit is an error for
a human to resolve, since changing it could lose data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from eiha.errors import StorageError
from eiha.events.schema import AttributeType, StreamDefinition
from eiha.storage.datasource import DataSource
from eiha.storage.dedicated_connection import Session
from eiha.storage.schema_objects import create_table_once

IDENTIFIER_LENGTH_MAX: Final = 64
"""MySQL's limit for names of tables and columns; used for SQLite too, so that both have the same names."""

KEY_COLUMNS: Final = ("eiha_plan", "eiha_sequence", "eiha_ordinal")
TIME_COLUMNS: Final = ("eiha_event_time", "eiha_log_time")
SYSTEM_COLUMNS: Final = KEY_COLUMNS + TIME_COLUMNS
"""Output id, event time and log time (ms since 1970); attributes follow."""

_SYSTEM_SQL: Final = (
    "eiha_plan VARCHAR(255) NOT NULL, eiha_sequence BIGINT NOT NULL, eiha_ordinal BIGINT NOT NULL, "
    "eiha_event_time BIGINT NOT NULL, eiha_log_time BIGINT NOT NULL"
)

_SQL_TYPES: Final[Mapping[AttributeType, str]] = {
    AttributeType.STRING: "LONGTEXT",
    AttributeType.INT: "INTEGER",
    AttributeType.LONG: "BIGINT",
    # FLOAT would be shown with six digits: a double holds every float exactly
    AttributeType.FLOAT: "DOUBLE",
    AttributeType.DOUBLE: "DOUBLE",
    AttributeType.BOOL: "TINYINT",
    AttributeType.OBJECT: "LONGTEXT",
}

_TEXTS: Final = frozenset({"longtext", "mediumtext", "text", "varchar", "char", "json"})
_INTEGERS: Final = frozenset({"int", "integer", "bigint"})
_FITTING: Final[Mapping[AttributeType, frozenset[str]]] = {
    AttributeType.STRING: _TEXTS,
    AttributeType.INT: _INTEGERS,
    AttributeType.LONG: frozenset({"bigint"}),
    AttributeType.FLOAT: frozenset({"double"}),
    AttributeType.DOUBLE: frozenset({"double"}),
    AttributeType.BOOL: _INTEGERS | {"tinyint", "smallint"},
    AttributeType.OBJECT: _TEXTS,
}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """An attribute's column. ``length_max``: characters it can hold, None for as many as there are."""

    name: str
    type: AttributeType
    length_max: int | None = None


@dataclass(frozen=True, slots=True)
class StreamTable:
    """The table of a stream: its name (not quoted) and a column for each attribute, in order."""

    name: str
    stream: StreamDefinition
    columns: tuple[TableColumn, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    type: str
    length_max: int | None


def plan_table(stream: StreamDefinition, *, prefix: str = "", string_length: int | None = None) -> StreamTable:
    """What the table of ``stream`` is to be.

    Args:
        stream: the definition.
        prefix: put before the stream's name.
        string_length: characters of a string column; None: no bound. Longer strings are cut and counted.
    """
    taken = set(SYSTEM_COLUMNS)
    columns: list[TableColumn] = []
    for attribute in stream.schema.attributes:
        length = string_length if attribute.type is AttributeType.STRING else None
        columns.append(TableColumn(_free_name(attribute.name, taken), attribute.type, length))
    return StreamTable(shorten(prefix + stream.name), stream, tuple(columns))


def shorten(name: str) -> str:
    """``name`` if a database takes it, else its beginning and a hash."""
    if len(name) <= IDENTIFIER_LENGTH_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: IDENTIFIER_LENGTH_MAX - 13]}_{digest}"


def _free_name(attribute: str, taken: set[str]) -> str:
    """Databases do not tell ``a`` from ``A``; streams do. The second gets a number."""
    name, number = shorten(attribute), 1
    while name.lower() in taken:
        number += 1
        name = shorten(f"{attribute}_{number}")
    taken.add(name.lower())
    return name


def quote(source: DataSource, name: str) -> str:
    """``name`` as an identifier that may hold anything."""
    return "`" + name.replace("`", "``") + "`" if source.is_mysql else '"' + name.replace('"', '""') + '"'


def sql_type(column: TableColumn) -> str:
    """The type a column is made with."""
    if column.length_max is not None:
        return f"VARCHAR({column.length_max})"
    return _SQL_TYPES[column.type]


async def ensure_table(session: Session, source: DataSource, table: StreamTable) -> StreamTable:
    """Make the table, or add what an existing one lacks; returns it with the lengths that are really there.

    Not to be called inside a transaction: MySQL commits at each change of a table.

    Raises:
        StorageError: a table of that name has columns that do not fit.
    """
    attributes = "".join(f"{quote(source, c.name)} {sql_type(c)} NULL, " for c in table.columns)
    columns = f"{_SYSTEM_SQL}, {attributes}PRIMARY KEY ({', '.join(KEY_COLUMNS)})"
    await create_table_once(session, source, quote(source, table.name), columns)
    found = await _existing_columns(session, source, table.name)
    for name in SYSTEM_COLUMNS:
        if name not in found:
            raise StorageError(
                f"table {table.name!r} in {source} was not made for stream {table.stream.name!r}: it has no column "
                f"{name!r}. Rename that table, or give the sink a table prefix"
            )
    settled: list[TableColumn] = []
    for column in table.columns:
        existing = found.get(column.name.lower())
        if existing is None:
            change = (
                f"ALTER TABLE {quote(source, table.name)} ADD COLUMN {quote(source, column.name)} {sql_type(column)}"
            )
            await session.run_plain(change)
            settled.append(column)
            continue
        if existing.type not in _FITTING[column.type]:
            raise StorageError(
                f"column {column.name!r} of table {table.name!r} in {source} is {existing.type}, but stream "
                f"{table.stream.name!r} now says {column.type.value}. Rename the table (a new one is then made), "
                "change the column, or change the plan back"
            )
        settled.append(replace(column, length_max=existing.length_max))
    return replace(table, columns=tuple(settled))


async def _existing_columns(session: Session, source: DataSource, table: str) -> dict[str, _Found]:
    """By lower-case name: type without length, and the characters that fit."""
    if not source.is_mysql:
        rows = await session.execute("SELECT name, type FROM pragma_table_info(:table)", {"table": table})
        return {row[0].lower(): _Found(_bare(row[1]), _length(row[1])) for row in rows}
    rows = await session.execute(
        "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = :table",
        {"table": table},
    )
    return {row[0].lower(): _mysql_column(str(row[1]).lower(), row[2]) for row in rows}


def _mysql_column(type_: str, length: int | None) -> _Found:
    if type_ in {"varchar", "char"}:
        return _Found(type_, length)
    if type_ in {"text", "mediumtext"} and length is not None:
        return _Found(type_, length // 4)  # those are bytes; a character has up to four
    return _Found(type_, None)


def _bare(declared: str) -> str:
    return declared.partition("(")[0].strip().lower()


def _length(declared: str) -> int | None:
    inside = declared.partition("(")[2].rstrip(") ")
    return int(inside) if inside.isdecimal() else None
