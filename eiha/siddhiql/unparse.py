"""Trees to text. Law: ``parse(unparse(tree)) == tree`` for every tree that ``parse`` gave (places aside).

The text is canonical: equal trees give equal text. Comments are not part of the tree.
"""

from __future__ import annotations

from typing import assert_never

from eiha.siddhiql.definition_tree import (
    Application,
    AttributeDefinition,
    DefineAggregation,
    DefineFunction,
    DefineStream,
    DefineTable,
    DefineTrigger,
    DefineWindow,
    Definition,
    Granularities,
)
from eiha.siddhiql.query_tree import OnDemandQuery, Partition
from eiha.siddhiql.unparse_expressions import attribute, call, name, string, time_literal
from eiha.siddhiql.unparse_queries import annotation_lines, on_demand, partition, query, selection, standard_stream


def unparse(node: Application | OnDemandQuery) -> str:
    """The canonical text of a plan or an on-demand query."""
    if isinstance(node, OnDemandQuery):
        return on_demand(node)
    statements = [definition(each) for each in node.definitions]
    statements += [partition(each) if isinstance(each, Partition) else query(each) for each in node.elements]
    head = "".join(f"{line}\n" for line in annotation_lines(node.annotations))
    return head + "".join(f"{statement};\n" for statement in statements)


def definition(node: Definition) -> str:
    """One definition with its annotations."""
    return "\n".join([*annotation_lines(node.annotations), _definition(node)])


def _definition(node: Definition) -> str:
    match node:
        case DefineStream():
            return f"define stream {name(node.name)} {_attributes(node.attributes)}"
        case DefineTable():
            return f"define table {name(node.name)} {_attributes(node.attributes)}"
        case DefineWindow():
            output = "" if node.output is None else f" output {node.output.value} events"
            return f"define window {name(node.name)} {_attributes(node.attributes)} {call(node.window)}{output}"
        case DefineTrigger():
            at = string(node.at) if isinstance(node.at, str) else f"every {time_literal(node.at)}"
            return f"define trigger {name(node.name)} at {at}"
        case DefineFunction():
            head = f"define function {name(node.name)}[{name(node.language)}] return {node.returns.value}"
            return f"{head} {{{node.body}}}"
        case DefineAggregation():
            by = "" if node.by is None else f" by {attribute(node.by)}"
            clauses = [
                f"define aggregation {name(node.name)} from {standard_stream(node.input)}",
                *selection(node.selection),
                f"aggregate{by} every {_granularities(node.every)}",
            ]
            return "\n".join(clauses)
        case _:
            assert_never(node)


def _attributes(nodes: tuple[AttributeDefinition, ...]) -> str:
    return "(" + ", ".join(f"{name(node.name)} {node.type.value}" for node in nodes) + ")"


def _granularities(node: Granularities) -> str:
    return ("..." if node.is_range else ", ").join(unit.value for unit in node.units)
