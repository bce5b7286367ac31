"""From syntax tree to typed logical plan: names resolved, types known, what cannot run refused.

Queries are bound in textual order: a query reads streams that are defined, or filled by an earlier query.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, assert_never

from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.plan.bind_aggregations import bind_aggregation
from eiha.plan.bind_annotations import bind_header, bind_query_notes, bind_stream_notes
from eiha.plan.bind_faults import fault_stream, with_fault_names
from eiha.plan.bind_joins import JoinSource, all_of_both, bind_join, join_warnings
from eiha.plan.bind_named_windows import bind_named_window, refuse_window_on_window, window_query
from eiha.plan.bind_partitions import bind_partition, inner_names, with_inner_names
from eiha.plan.bind_patterns import all_captured, bind_pattern, pattern_warnings
from eiha.plan.bind_rates import bind_rate, with_snapshot_events
from eiha.plan.bind_selector import all_attributes, bind_selector
from eiha.plan.bind_streams import bind_stream
from eiha.plan.bind_tables import bind_table, bind_table_output
from eiha.plan.bind_triggers import TRIGGER_SCHEMA, bind_trigger
from eiha.plan.connections import Buffering, Connection
from eiha.plan.nodes import (
    INNER_MARK,
    Aggregation,
    Deduplication,
    InsertInto,
    JoinInput,
    NamedWindow,
    OutputEvents,
    Partition,
    PatternInput,
    Plan,
    Query,
    QueryInput,
    QueryOutput,
    Selector,
    SideKind,
    StreamFunction,
    StreamInput,
    TableDefinition,
    Trigger,
)
from eiha.plan.refusals import PlanFunction, Refusals
from eiha.plan.scopes import StreamScope
from eiha.plan.scripts import ScriptProblem, checked_source, script_line
from eiha.siddhiql import definition_tree, query_tree
from eiha.siddhiql.diagnostics import did_you_mean
from eiha.siddhiql.span import Span

UNNAMED_PLAN: Final = "plan"
"""The name of a plan that neither its text nor its caller names."""

SCRIPT_LANGUAGES: Final = ("javascript", "js", "python", "r", "scala")
"""Languages of ``define function`` for which Siddhi has an extension; others it refuses."""


def bind(application: definition_tree.Application, text: str, *, name: str | None = None) -> Plan:
    """The typed plan of ``application``.

    Args:
        application: the tree of ``text``.
        text: for the excerpts in errors.
        name: under which the plan is deployed; None: the one that its text gives (``@app:name``).

    Raises:
        PlanSemanticError: names or types do not fit; ``UnsupportedConstruct`` for valid SiddhiQL not run yet.
    """
    return _PlanBinder(Refusals(text)).bind(application, name)


@dataclass(slots=True)
class _PlanBinder:
    """What is known of a plan while its statements are read one after the other."""

    refusals: Refusals
    streams: dict[str, StreamDefinition] = field(default_factory=dict)
    queries: list[Query] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    deduplicated: list[Deduplication] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    connections: list[Connection | Buffering] = field(default_factory=list)
    partitions: list[Partition] = field(default_factory=list)
    aggregations: list[Aggregation] = field(default_factory=list)
    tables: dict[str, TableDefinition] = field(default_factory=dict)
    windows: dict[str, NamedWindow] = field(default_factory=dict)
    triggers: list[Trigger] = field(default_factory=list)
    fault_streams: list[str] = field(default_factory=list)
    error_streams: list[str] = field(default_factory=list)

    def bind(self, application: definition_tree.Application, name: str | None) -> Plan:
        header = bind_header(application.annotations, self.refusals)
        self.warnings += header.warnings
        if name is not None and header.name not in (None, name):
            self.warnings.append(
                f"the name {header.name!r} in the text has no effect: the plan is deployed as {name!r}"
            )
        self._refuse_conflicting_definitions(application.definitions)
        for definition in application.definitions:
            self._define(definition)
        for definition in application.definitions:
            if isinstance(definition, definition_tree.DefineAggregation):
                self._define_aggregation(definition)
        defined = frozenset(self.streams)
        self._add_streams_that_come_along()
        self._refuse_repeated_query_names(application.elements)
        for element in application.elements:
            if isinstance(element, query_tree.Partition):
                self._partition(element)
            else:
                self._query(element)
        self.warnings += _logs(self.queries)
        return Plan(
            name=name or header.name or UNNAMED_PLAN,
            streams=tuple(self.streams.values()),
            defined=defined,
            queries=tuple(self.queries),
            playback=header.playback,
            idle=header.idle,
            stored_streams=tuple(self.stored),
            published_streams=tuple(self.published) or self._final_streams(),
            deduplicated=tuple(self.deduplicated),
            warnings=tuple(self.warnings),
            connections=tuple(self.connections),
            partitions=tuple(self.partitions),
            aggregations=tuple(self.aggregations),
            tables=tuple(self.tables.values()),
            windows=tuple(self.windows.values()),
            triggers=tuple(self.triggers),
            fault_streams=tuple(self.fault_streams),
            error_streams=tuple(self.error_streams),
        )

    # --- definitions

    def _refuse_conflicting_definitions(self, definitions: tuple[definition_tree.Definition, ...]) -> None:
        seen: dict[str, definition_tree.Definition] = {}
        for definition in definitions:
            before = seen.setdefault(definition.name, definition)
            if before is definition or _is_same_definition(before, definition):
                continue
            message = f"{definition.name!r} is defined in line {before.span.line} already, and differently"
            self.refusals.refuse(definition.span, message)

    def _define(self, definition: definition_tree.Definition) -> None:
        match definition:
            case definition_tree.DefineStream():
                self._define_stream(definition)
            case definition_tree.DefineTable():
                table, warnings = bind_table(definition, self.refusals)
                self.warnings += warnings
                self.tables[table.name] = table
            case definition_tree.DefineWindow(name=name):
                window, remarks = bind_named_window(definition, self.refusals)
                self.warnings += remarks
                self.windows[name] = window
                self.streams[name] = StreamDefinition(name, window.schema)
            case definition_tree.DefineTrigger(name=name):
                trigger, remarks = bind_trigger(definition)
                self.warnings += remarks
                self.triggers.append(trigger)
                self.streams[name] = StreamDefinition(name, TRIGGER_SCHEMA)
            case definition_tree.DefineAggregation():
                pass  # bound when all streams are known: its source may be defined later
            case definition_tree.DefineFunction():
                self._define_function(definition)
            case _:
                assert_never(definition)

    def _define_function(self, definition: definition_tree.DefineFunction) -> None:
        language, span = definition.language, definition.span
        if language.lower() not in SCRIPT_LANGUAGES:
            known = ", ".join(SCRIPT_LANGUAGES)
            message = f"there is no script language {language!r}; there are {known}"
            self.refusals.refuse(span, message + did_you_mean(language, SCRIPT_LANGUAGES))
        if language.lower() != "python":
            remedy = "write it in Python, as define function name[python] (docs/functions.md)"
            self.refusals.unsupported(span, f"function.{language.lower()}", remedy)
        try:
            source = checked_source(definition.name, definition.body)
        except ScriptProblem as problem:
            place = script_line(self.refusals.text, span, definition.body, problem.line)
            self.refusals.refuse(place, f"function {definition.name!r}: {problem.message}")
        self.refusals.scripts[definition.name] = PlanFunction(definition.name, definition.returns, source)

    def _define_stream(self, definition: definition_tree.DefineStream) -> None:
        name = definition.name
        schema = Schema(tuple(Attribute(each.name, each.type) for each in definition.attributes))
        notes = bind_stream_notes(name, schema, definition.annotations, self.refusals)
        self.warnings += notes.warnings
        self.connections += notes.connections
        is_new = name not in self.streams
        self.streams[name] = StreamDefinition(name, schema)
        if notes.is_stored and name not in self.stored:
            self.stored.append(name)
        if notes.is_published and name not in self.published:
            self.published.append(name)
        if notes.deduplication is not None and is_new:
            self.deduplicated.append(notes.deduplication)
        if notes.on_error == "STREAM" and name not in self.fault_streams:
            self.fault_streams.append(name)
        if notes.on_error == "STORE" and name not in self.error_streams:
            self.error_streams.append(name)

    def _add_streams_that_come_along(self) -> None:
        """Those of faults, and the entries of named windows with their queries."""
        for name in self.fault_streams:
            fault = fault_stream(self.streams[name])
            self.streams[fault.name] = fault
        for window in self.windows.values():
            self.streams[window.entry] = StreamDefinition(window.entry, window.schema)
            self.queries.append(window_query(window, len(self.queries), self.refusals))

    def _define_aggregation(self, definition: definition_tree.DefineAggregation) -> None:
        source = self._schema(definition.input.source)
        bound, warnings = bind_aggregation(definition, source, self.tables, self.refusals)
        self.warnings += warnings
        self.aggregations.append(bound)

    # --- queries

    def _refuse_repeated_query_names(self, elements: tuple[query_tree.Query | query_tree.Partition, ...]) -> None:
        seen: set[str] = set()
        for element in elements:
            queries = element.queries if isinstance(element, query_tree.Partition) else (element,)
            for query in queries:
                name, _ = bind_query_notes(query.annotations, self.refusals)
                if name is not None and name in seen:
                    self.refusals.refuse(query.span, f"two queries are called {name!r}")
                if name is not None:
                    seen.add(name)

    def _partition(self, partition: query_tree.Partition) -> None:
        bound, warnings = bind_partition(
            partition, lambda name, span: self._schema(query_tree.Source(name, span=span)), self.refusals
        )
        self.warnings += warnings
        self.partitions.append(bound)
        names = inner_names(partition, self.streams)
        for query in partition.queries:
            self._query(with_inner_names(query, names), len(self.partitions) - 1)

    def _query(self, query: query_tree.Query, partition: int | None = None) -> None:
        name, warnings = bind_query_notes(query.annotations, self.refusals)
        self.warnings += warnings
        position = len(self.queries)
        query = with_fault_names(with_snapshot_events(query, self.refusals), self.streams, self.refusals)
        rate, warnings = bind_rate(query.rate, self.refusals)
        self.warnings += warnings
        source, selector = self._input_and_selector(query)
        output = self._output(query, selector.schema)
        self.queries.append(
            Query(
                name or f"query{position + 1 - len(self.windows)}",
                name is not None,
                position,
                source,
                selector,
                output,
                query.span,
                rate=rate,
                partition=partition,
            )
        )

    def _input_and_selector(self, query: query_tree.Query) -> tuple[QueryInput, Selector]:
        place = query.selection.span if query.selection is not None else query.span
        match query.input:
            case query_tree.StandardStream():
                refuse_window_on_window(query.input, self.windows, self.refusals)
                bound = bind_stream(query.input, self._schema(query.input.source), self.refusals, self.tables)
                scope = StreamScope(bound.stream, bound.schema, self.refusals)
                everything = all_attributes(bound.schema, place)
                return bound, bind_selector(query.selection, scope, everything, None, self.refusals, self.tables)
            case query_tree.StateStream():
                pattern, captured = bind_pattern(query.input, self._schema, self.refusals)
                self.warnings += pattern_warnings(pattern)
                names_all = query.selection is None or not query.selection.attributes
                everything = all_captured(captured, place) if names_all else ()
                return pattern, bind_selector(
                    query.selection, captured, everything, captured, self.refusals, self.tables
                )
            case query_tree.JoinStream():
                return self._join_and_selector(query, query.input, place)
            case query_tree.AnonymousStream(span=span):
                message = "a query cannot be read from in its own place; let it insert into a stream and read that"
                return self.refusals.refuse(span, message)
            case _:
                assert_never(query.input)

    def _join_and_selector(
        self, query: query_tree.Query, join: query_tree.JoinStream, place: Span
    ) -> tuple[QueryInput, Selector]:
        bound, sides = bind_join(join, self._join_source, self.refusals, self.tables)
        names_all = query.selection is None or not query.selection.attributes
        everything = all_of_both(sides, place) if names_all else ()
        category = getattr(query.output, "events", None) or query_tree.EventCategory.CURRENT
        self.warnings += join_warnings(join, bound, OutputEvents(category.value))
        return bound, bind_selector(
            query.selection, sides, everything, sides, self.refusals, self.tables, orders_by_input=True
        )

    def _join_source(self, source: query_tree.Source) -> JoinSource:
        """What a side of a join is, and its attributes."""
        if not (source.is_inner or source.is_fault):
            for aggregation in self.aggregations:
                if aggregation.name == source.name:
                    return JoinSource(SideKind.AGGREGATION, aggregation.schema, aggregation)
            if source.name in self.tables:
                return JoinSource(SideKind.TABLE, self.tables[source.name].schema)
            if source.name in self.windows:
                return JoinSource(SideKind.WINDOW, self.windows[source.name].schema)
        return JoinSource(SideKind.STREAM, self._schema(source))

    def _schema(self, source: query_tree.Source) -> Schema:
        """The definition of a stream that a query reads."""
        self._refuse_inner(source)
        if source.is_fault:
            self.refusals.refuse(source.span, f"the faults of {source.name!r} can be read by queries only")
        definition = self.streams.get(source.name)
        if definition is None and source.name in self.tables:
            message = f"{source.name!r} is a table, which no event comes from; join it with a stream"
            self.refusals.refuse(source.span, message)
        if definition is None:
            message = f"there is no stream {source.name!r} before this query"
            self.refusals.refuse(source.span, message + did_you_mean(source.name, self.streams))
        return definition.schema

    def _refuse_inner(self, source: query_tree.Source) -> None:
        if source.is_inner:
            message = f"#{source.name} is an inner stream; those live within a partition only"
            self.refusals.refuse(source.span, message)

    def _output(self, query: query_tree.Query, schema: Schema) -> QueryOutput:
        match query.output:
            case query_tree.InsertInto(target, events, span) if target.name not in self.tables:
                self._fill(target, schema, span)
                category = events or query_tree.EventCategory.CURRENT
                window = self.windows.get(target.name)
                into = target.name if window is None else window.entry
                return InsertInto(into, OutputEvents(category.value))
            case query_tree.InsertInto() | query_tree.DeleteFrom() | query_tree.UpdateTable():
                table = self._table(query.output.target)
                return bind_table_output(query.output, table, schema, self.tables, self.refusals)
            case query_tree.Return(span=span):
                message = "return is for questions asked on demand; a query of a plan ends with insert into"
                return self.refusals.refuse(span, message)
            case _:
                assert_never(query.output)

    def _table(self, target: query_tree.Source) -> TableDefinition:
        self._refuse_inner(target)
        table = self.tables.get(target.name)
        if table is None or target.is_fault:
            message = f"there is no table {target.name!r}" + did_you_mean(target.name, self.tables)
            self.refusals.refuse(target.span, message)
        return table

    def _fill(self, target: query_tree.Source, schema: Schema, span: Span) -> None:
        """``schema`` goes into ``target``, which is made from it if it is not there yet."""
        self._refuse_inner(target)
        if any(target.name == each.name for each in self.aggregations):
            message = f"{target.name!r} is an aggregation, which takes rows from its own source only"
            self.refusals.refuse(target.span, message)
        definition = self.streams.setdefault(target.name, StreamDefinition(target.name, schema))
        if definition.schema != schema:
            message = (
                f"the query puts out {schema}, but {target.name!r} is {definition.schema}; "
                "names, order and types must be equal (convert changes a type, as a name)"
            )
            self.refusals.refuse(span, message)

    def _final_streams(self) -> tuple[str, ...]:
        """Streams that queries fill and none reads, in order of appearance."""
        filled = {query.output.target for query in self.queries}
        read = {stream for query in self.queries for stream in _read_streams(query.input)}
        read |= {aggregation.input.stream for aggregation in self.aggregations}
        return tuple(
            name
            for name in self.streams
            if name in filled and name not in read and name not in self.windows and not name.startswith(INNER_MARK)
        )


def _read_streams(source: QueryInput) -> tuple[str, ...]:
    match source:
        case StreamInput(stream):
            return (stream,)
        case PatternInput(steps=steps):
            return tuple(step.stream for step in steps)
        case JoinInput(left=left, right=right):
            return left.source, right.source
        case _:
            assert_never(source)


def _is_same_definition(before: definition_tree.Definition, after: definition_tree.Definition) -> bool:
    """Whether a definition only repeats another: same kind, same attributes."""
    match before, after:
        case (definition_tree.DefineStream(attributes=first), definition_tree.DefineStream(attributes=second)):
            return first == second
        case (definition_tree.DefineTable(attributes=first), definition_tree.DefineTable(attributes=second)):
            return first == second
        case (definition_tree.DefineTrigger(), definition_tree.DefineStream(attributes=attributes)) | (
            definition_tree.DefineStream(attributes=attributes),
            definition_tree.DefineTrigger(),
        ):
            # a stream of the very schema of triggers may stand beside one
            return attributes == (definition_tree.AttributeDefinition("triggered_time", AttributeType.LONG),)
        case (definition_tree.DefineWindow(attributes=first), definition_tree.DefineStream(attributes=second)) | (
            definition_tree.DefineStream(attributes=second),
            definition_tree.DefineWindow(attributes=first),
        ):
            return first == second
        case _:
            return False


def _logs(queries: list[Query]) -> list[str]:
    """A warning for each query that wants its events logged."""
    return [
        f"#log in query {query.name!r} writes nothing; publish the stream instead"
        for query in queries
        if isinstance(query.input, StreamInput)
        and any(isinstance(handler, StreamFunction) and handler.name == "log" for handler in query.input.handlers)
    ]
