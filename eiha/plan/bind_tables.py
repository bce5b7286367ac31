"""Tables: their definitions, and the output clauses that change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.plan.bind_expressions import ExpressionBinder
from eiha.plan.expressions import AttributeRef, Call, EventIsNull, Expression, Literal
from eiha.plan.nodes import DeleteFrom, InsertInto, OutputEvents, SetColumn, TableDefinition, UpdateTable
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import unknown_attribute
from eiha.siddhiql import definition_tree, query_tree
from eiha.siddhiql.annotation_tree import Annotation
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.expression_tree import AttributeReference, StreamReference
from eiha.siddhiql.span import Span

_OUTPUT_ROW: Final = 0
_TABLE_ROW: Final = 1
"""Sources in output clauses, see ``nodes.SetColumn``."""


def bind_table(definition: definition_tree.DefineTable, refusals: Refusals) -> tuple[TableDefinition, list[str]]:
    """The table that ``definition`` makes, and what of its annotations has no effect."""
    schema = Schema(tuple(Attribute(each.name, each.type) for each in definition.attributes))
    name = definition.name
    primary_key: tuple[int, ...] | None = None
    indexes: list[int] = []
    warnings: list[str] = []
    is_stored = any(note.name.lower() == "store" for note in definition.annotations)
    for note in definition.annotations:
        match note.name.lower():
            case "primarykey":
                if primary_key is not None:
                    refusals.refuse(note.span, f"table {name!r} has two @PrimaryKey; name all attributes in one")
                primary_key = _columns(note, name, schema, refusals)
            case "index":
                columns = _columns(note, name, schema, refusals)
                if len(columns) > 1 and not is_stored:
                    refusals.refuse(note.span, "@Index takes one attribute; write one @Index for each")
                for column in columns:
                    if column in indexes:
                        refusals.refuse(note.span, f"{schema.names[column]!r} has two @Index")
                    indexes.append(column)
            case "store":
                options = ", ".join(element.key or element.value for element in note.elements)
                warnings.append(f"@store on table {name!r}: the table is kept in memory; {options} have no effect")
            case _:
                warnings.append(f"@{note.name} on table {name!r} has no effect")
    return TableDefinition(name, schema, primary_key or (), tuple(indexes), definition.span), warnings


def _columns(note: Annotation, table: str, schema: Schema, refusals: Refusals) -> tuple[int, ...]:
    if not note.elements:
        refusals.refuse(note.span, f"@{note.name} names attributes, e.g. @{note.name}('{schema.names[0]}')")
    columns: list[int] = []
    for element in note.elements:
        position = schema.position(element.value)
        if position is None:
            refusals.refuse(element.span, unknown_attribute(element.value, table, schema))
        if position in columns:
            refusals.refuse(element.span, f"@{note.name} names {element.value!r} twice")
        columns.append(position)
    return tuple(columns)


@dataclass(frozen=True, slots=True)
class TableOutputScope:
    """The expressions of an output clause: what the query selects, by name alone, and the row, as ``T.column``.

    ``selected`` None: nothing is, so that names alone mean the row, too.
    """

    table: TableDefinition
    selected: Schema | None
    refusals: Refusals

    def attribute(self, reference: AttributeReference) -> Expression:
        """A selected attribute or a column of the row."""
        stream, name = reference.stream, self.table.name
        if stream is not None and (stream.name != name or stream.is_inner or stream.is_fault):
            message = f"{stream.name!r} is not in scope here; only selected attributes, by name alone, and {name!r} are"
            self.refusals.refuse(stream.span, message + did_you_mean(stream.name, [name]))
        if stream is None and self.selected is not None:
            position = self.selected.position(reference.name)
            if position is None:
                message = f"the query puts out no attribute {reference.name!r}; it puts out {self.selected}"
                if self.table.schema.position(reference.name) is not None:
                    message += f"; the column of the table is written {name}.{reference.name}"
                self.refusals.refuse(reference.span, message + did_you_mean(reference.name, self.selected.names))
            type_ = self.selected.attributes[position].type
            return AttributeRef(_OUTPUT_ROW, position, reference.name, type_, span=reference.span)
        schema = self.table.schema
        position = schema.position(reference.name)
        if position is None:
            self.refusals.refuse(reference.span, unknown_attribute(reference.name, name, schema))
        type_ = schema.attributes[position].type
        return AttributeRef(_TABLE_ROW, position, reference.name, type_, span=reference.span)

    def event_is_null(self, reference: StreamReference) -> EventIsNull | None:  # noqa: ARG002 - the protocol's form
        """There are no captured events."""
        return None


def bind_table_output(
    output: query_tree.InsertInto | query_tree.DeleteFrom | query_tree.UpdateTable,
    table: TableDefinition,
    selected: Schema | None,
    tables: Mapping[str, TableDefinition],
    refusals: Refusals,
) -> InsertInto | DeleteFrom | UpdateTable:
    """What ``output`` does to ``table``.

    Args:
        output: as written.
        table: its target.
        selected: what the query puts out; None: a statement without select.
        tables: those that ``in`` may name.
        refusals: raises the errors.
    """
    category = output.events or query_tree.EventCategory.CURRENT
    events = OutputEvents(category.value)
    binder = ExpressionBinder(TableOutputScope(table, selected, refusals), refusals, tables=tables)
    match output:
        case query_tree.InsertInto(span=span):
            _refuse_other_schema(selected, table, span, refusals)
            return InsertInto(table.name, events)
        case query_tree.DeleteFrom(on=None, span=span):
            return refusals.refuse(span, f"delete needs a condition; all rows: delete {table.name} on true")
        case query_tree.DeleteFrom(on=on):
            assert on is not None
            return DeleteFrom(table.name, events, binder.bind_condition(on, "on takes a bool"))
        case query_tree.UpdateTable(on=on, assignments=assignments, or_insert=or_insert, span=span):
            if or_insert:
                _refuse_other_schema(selected, table, span, refusals)
            sets = (
                tuple(_set(each, table, binder, refusals) for each in assignments)
                if assignments
                else _by_name(selected, table, span, refusals)
            )
            _refuse_repeated(sets, assignments, table, refusals)
            return UpdateTable(table.name, events, sets, binder.bind_condition(on, "on takes a bool"), or_insert)
        case _:
            assert_never(output)


def _refuse_other_schema(selected: Schema | None, table: TableDefinition, span: Span, refusals: Refusals) -> None:
    if selected is None:
        refusals.refuse(span, f"what goes into {table.name!r} must be selected: {table.schema}")
    if selected != table.schema:
        message = (
            f"the query puts out {selected}, but table {table.name!r} is {table.schema}; "
            "names, order and types must be equal (convert changes a type, as a name)"
        )
        refusals.refuse(span, message)


def _set(
    assignment: query_tree.SetAssignment, table: TableDefinition, binder: ExpressionBinder, refusals: Refusals
) -> SetColumn:
    target = assignment.target
    if target.stream is not None and target.stream.name != table.name:
        refusals.refuse(target.span, f"set writes columns of {table.name!r} only, not of {target.stream.name!r}")
    position = table.schema.position(target.name)
    if position is None:
        refusals.refuse(target.span, unknown_attribute(target.name, table.name, table.schema))
    value = binder.bind(assignment.value)
    column = table.schema.attributes[position]
    fitted = _fitted(value, column.type)
    if fitted is None:
        message = f"{table.name}.{column.name} is {column.type.value}, the value is {value.type.value}"
        refusals.refuse(assignment.span, message)
    return SetColumn(position, fitted)


def _by_name(selected: Schema | None, table: TableDefinition, span: Span, refusals: Refusals) -> tuple[SetColumn, ...]:
    """Without ``set``: each selected attribute goes into the column of its name."""
    if selected is None:
        refusals.refuse(span, "update without select needs set")
    sets = []
    for position, attribute in enumerate(selected.attributes):
        column = table.schema.position(attribute.name)
        if column is None or table.schema.attributes[column] != attribute:
            message = (
                f"without set, each selected attribute must be a column of {table.name!r} with the same type; "
                f"{attribute.name} {attribute.type.value} is not: {table.schema}"
            )
            refusals.refuse(span, message + did_you_mean(attribute.name, table.schema.names))
        sets.append(SetColumn(column, AttributeRef(_OUTPUT_ROW, position, attribute.name, attribute.type)))
    return tuple(sets)


def _refuse_repeated(
    sets: Sequence[SetColumn],
    assignments: Sequence[query_tree.SetAssignment],
    table: TableDefinition,
    refusals: Refusals,
) -> None:
    seen: set[int] = set()
    for each, assignment in zip(sets, assignments, strict=False):
        if each.column in seen:
            name = table.schema.names[each.column]
            refusals.refuse(assignment.span, f"{table.name}.{name} is set twice")
        seen.add(each.column)


def _fitted(value: Expression, type_: AttributeType) -> Expression | None:
    """``value`` as ``type_``: numbers are converted as by ``convert``; None: it cannot be."""
    if value.type is type_:
        return value
    if value.type.is_numeric and type_.is_numeric:
        return Call("convert", (value, Literal(type_.value, AttributeType.STRING)), type_)
    return None
