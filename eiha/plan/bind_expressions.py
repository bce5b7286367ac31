"""Expressions: from names and text to types and slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, assert_never

from eiha.events.schema import AttributeType
from eiha.plan.aggregates import AGGREGATES, AggregateSignature, aggregate_names, aggregate_signature
from eiha.plan.expressions import (
    ARGUMENTS,
    AggregateRef,
    Arithmetic,
    ArithmeticOp,
    Call,
    Compare,
    CompareOp,
    Expression,
    InTable,
    IsNull,
    Literal,
    Logic,
    LogicOp,
    Not,
)
from eiha.plan.functions import Misfit, scalar_names, scalar_signature
from eiha.plan.nodes import Aggregate, TableDefinition
from eiha.plan.refusals import Refusals
from eiha.plan.scopes import Scope, TableRowScope
from eiha.plan.signatures import Signature
from eiha.plan.types import arithmetic_type, comparison_problem
from eiha.siddhiql import expression_tree as tree
from eiha.siddhiql.diagnostics import did_you_mean, did_you_mean_of_namespace
from eiha.siddhiql.span import Span

_ARITHMETIC: Final = {op.value: op for op in ArithmeticOp}
_COMPARE: Final = {op.value: op for op in CompareOp}
_LOGIC: Final = {op.value: op for op in LogicOp}


@dataclass(frozen=True, slots=True)
class ExpressionBinder:
    """Binds the expressions of one place.

    Args:
        scope: what names mean here.
        refusals: raises the errors.
        aggregates: takes the aggregates that the expressions hold; None where there can be none.
        aggregates_here: what an aggregate would be where there can be none yet, as ``UnsupportedConstruct`` names it.
        guard: a condition without which the expressions are not evaluated; aggregates among them get it.
        tables: those that ``in`` may ask; None: there can be no ``in`` here.
    """

    scope: Scope
    refusals: Refusals
    aggregates: list[Aggregate] | None = None
    aggregates_here: str = "aggregator.inFilter"
    guard: Expression | None = None
    tables: Mapping[str, TableDefinition] | None = None

    def bind(self, node: tree.Expression) -> Expression:
        """The typed form of ``node``."""
        match node:
            case tree.Literal(value, type_, span):
                return Literal(value, type_, span)
            case tree.TimeLiteral():
                return Literal(node.milliseconds, AttributeType.LONG, node.span)
            case tree.AttributeReference():
                return self._attribute(node)
            case tree.FunctionCall():
                return self._call(node)
            case tree.BinaryOperation():
                return self._binary(node)
            case tree.NotOperation(operand, span):
                return Not(self.bind_condition(operand, "not takes a bool"), span)
            case tree.NullCheck():
                return self._null_check(node)
            case tree.InTable():
                return self._in_table(node)
            case _:
                assert_never(node)

    def bind_condition(self, node: tree.Expression, rule: str) -> Expression:
        """The typed form of ``node``, which must be bool; ``rule`` begins the error if it is not."""
        bound = self.bind(node)
        if bound.type is not AttributeType.BOOL:
            self.refusals.refuse(node.span, f"{rule}, not {bound.type.value}")
        return bound

    def _attribute(self, node: tree.AttributeReference) -> Expression:
        if node.nested is not None:
            self.refusals.refuse(node.nested.span, f"there is no stream {node.nested.name!r} within another here")
        return self.scope.attribute(node)

    def _null_check(self, node: tree.NullCheck) -> Expression:
        operand = node.operand
        match operand:
            case tree.StreamReference():
                event = self.scope.event_is_null(operand)
                if event is None:
                    self.refusals.refuse(operand.span, f"{operand.name!r} is no captured event")
                return event
            case tree.AttributeReference(name, None, None, span):
                event = self.scope.event_is_null(tree.StreamReference(name, span=span))
                return event if event is not None else IsNull(self._attribute(operand), node.span)
            case _:
                return IsNull(self.bind(operand), node.span)

    def _in_table(self, node: tree.InTable) -> Expression:
        if self.tables is None:
            self.refusals.refuse(node.span, "in cannot stand here; it asks a table in filters, select and having")
        table = self.tables.get(node.table)
        if table is None:
            message = f"there is no table {node.table!r}" + did_you_mean(node.table, self.tables)
            self.refusals.refuse(node.span, message)
        scope = TableRowScope(table.name, table.schema, self.scope, self.refusals)
        inner = replace(self, scope=scope, tables=None)
        return InTable(inner.bind(node.operand), table.name, node.span)

    # --- operators

    def _binary(self, node: tree.BinaryOperation) -> Expression:
        symbol = node.operator.value
        if symbol in _LOGIC:
            rule = f"{symbol} takes bools"
            left = self.bind_condition(node.left, rule)
            logic = _LOGIC[symbol]
            right = self._where(left if logic is LogicOp.AND else Not(left)).bind_condition(node.right, rule)
            return Logic(logic, left, right, node.span)
        left, right = self.bind(node.left), self.bind(node.right)
        if symbol in _ARITHMETIC:
            type_ = arithmetic_type(left.type, right.type)
            if type_ is None:
                message = f"{symbol} takes numbers, not {left.type.value} and {right.type.value}"
                self.refusals.refuse(node.span, message)
            return Arithmetic(_ARITHMETIC[symbol], left, right, type_, node.span)
        op = _COMPARE[symbol]
        problem = comparison_problem(op, left.type, right.type)
        if problem is not None:
            self.refusals.refuse(node.span, problem)
        return Compare(op, left, right, node.span)

    def _where(self, condition: Expression) -> ExpressionBinder:
        """For what is evaluated only where ``condition`` is true."""
        if self.aggregates is None:
            return self
        guard = condition if self.guard is None else Logic(LogicOp.AND, self.guard, condition)
        return replace(self, guard=guard)

    # --- calls

    def _call(self, node: tree.FunctionCall) -> Expression:
        full_name = node.name if node.namespace is None else f"{node.namespace}:{node.name}"
        if node.namespace is None and node.name in AGGREGATES:
            return self._aggregate(node, AGGREGATES[node.name])
        script = self.refusals.scripts.get(full_name)
        if script is not None:
            self._refuse_star(node)
            arguments = tuple(self.bind(argument) for argument in node.arguments)
            return Call(full_name, arguments, script.returns, node.span, script.source)
        several = aggregate_signature(full_name)
        if several is not None:
            return self._aggregate_of_several(node, several)
        signature = scalar_signature(full_name)
        if signature is None:
            message = f"there is no function {full_name!r}"
            known = [*scalar_names(), *aggregate_names()]
            self.refusals.refuse(node.span, message + did_you_mean_of_namespace(full_name, known, "function"))
        self._refuse_star(node)
        arguments = self._arguments(full_name, node)
        try:
            type_ = signature.result(arguments)
        except Misfit as misfit:
            message = f"{full_name}: {misfit}; valid: {', '.join(signature.forms)}"
            self.refusals.refuse(node.span, message)
        return Call(full_name, arguments, type_, node.span)

    def _arguments(self, function: str, node: tree.FunctionCall) -> tuple[Expression, ...]:
        if function != "ifThenElse" or len(node.arguments) != 3:
            return tuple(self.bind(argument) for argument in node.arguments)
        condition = self.bind(node.arguments[0])
        if condition.type is not AttributeType.BOOL:
            return (condition, self.bind(node.arguments[1]), self.bind(node.arguments[2]))
        then = self._where(condition).bind(node.arguments[1])
        return (condition, then, self._where(Not(condition)).bind(node.arguments[2]))

    def _refuse_star(self, node: tree.FunctionCall) -> None:
        if node.is_star:
            self.refusals.refuse(node.span, f"{node.name} takes arguments one by one, not *")

    def _aggregate(self, node: tree.FunctionCall, signature: AggregateSignature) -> Expression:
        self._refuse_star(node)
        arguments = [self.bind(argument) for argument in node.arguments]
        least = 0 if signature.may_be_empty else 1
        if not least <= len(arguments) <= 1:
            self.refusals.refuse(node.span, f"{signature.name} takes one argument, not {len(arguments)}")
        argument = arguments[0] if arguments else None
        if argument is not None and argument.type not in signature.types:
            types = ", ".join(type_.value for type_ in AttributeType if type_ in signature.types)
            self.refusals.refuse(node.span, f"{signature.name} takes {types}, not {argument.type.value}")
        if self.aggregates is None:
            self.refusals.unsupported(node.span, self.aggregates_here)
        type_ = signature.result(argument.type if argument is not None else AttributeType.LONG)
        return self._reference(Aggregate(signature.name, argument, type_, node.span, self.guard), node.span)

    def _aggregate_of_several(self, node: tree.FunctionCall, signature: Signature) -> Expression:
        """An aggregator with any number of arguments, which become one object."""
        self._refuse_star(node)
        arguments = tuple(self.bind(argument) for argument in node.arguments)
        try:
            type_ = signature.result(arguments)
        except Misfit as misfit:
            self.refusals.refuse(node.span, f"{signature.name}: {misfit}; valid: {', '.join(signature.forms)}")
        if self.aggregates is None:
            self.refusals.unsupported(node.span, self.aggregates_here)
        packed = Call(ARGUMENTS, arguments, AttributeType.OBJECT, node.span)
        return self._reference(Aggregate(signature.name, packed, type_, node.span, self.guard), node.span)

    def _reference(self, aggregate: Aggregate, span: Span) -> AggregateRef:
        assert self.aggregates is not None
        self.aggregates.append(aggregate)
        return AggregateRef(len(self.aggregates) - 1, aggregate.type, span)
