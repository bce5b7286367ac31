"""Reading the arguments of a window, with errors that name what is valid."""

from __future__ import annotations

from eiha.errors import PlanSemanticError
from eiha.events.schema import AttributeType, Schema
from eiha.plan.expressions import AttributeRef, Expression, Literal
from eiha.plan.nodes import Window


class WindowArguments:
    """The arguments of one window.

    Args:
        window: the window as bound.
        forms: the valid forms, as a user would write them; every error ends with them.
    """

    __slots__ = ("_forms", "_window")

    def __init__(self, window: Window, *forms: str) -> None:
        self._window = window
        self._forms = forms

    def __len__(self) -> int:
        return len(self._window.arguments)

    def require_count(self, least: int, most: int) -> None:
        """Refuse fewer than ``least`` or more than ``most`` arguments."""
        if not least <= len(self) <= most:
            raise self.refusal(f"{self._window.name} does not take {len(self)} arguments")

    def is_bool(self, index: int) -> bool:
        """Whether argument ``index`` is a bool constant."""
        argument = self._window.arguments[index]
        return isinstance(argument, Literal) and argument.type is AttributeType.BOOL

    def int_constant(self, index: int, what: str) -> int:
        """Argument ``index``, an int constant (not long)."""
        return self._integer(index, what, AttributeType.INT)

    def duration_ms(self, index: int, what: str) -> int:
        """Argument ``index``, a time, int or long constant in milliseconds."""
        return self._integer(index, what, AttributeType.INT, AttributeType.LONG)

    def bool_constant(self, index: int, what: str) -> bool:
        """Argument ``index``, a bool constant."""
        argument = self._window.arguments[index]
        if not self.is_bool(index):
            raise self.refusal(f"{what} must be true or false, not {_described(argument)}")
        assert isinstance(argument, Literal)
        return bool(argument.value)

    def long_attribute(self, index: int, what: str, schema: Schema) -> int:
        """Position of the attribute that argument ``index`` names, which must be a long."""
        argument = self._window.arguments[index]
        if not isinstance(argument, AttributeRef) or argument.type is not AttributeType.LONG:
            raise self.refusal(f"{what} must be a long attribute, not {_described(argument)}")
        assert argument.attribute < len(schema)
        return argument.attribute

    def number(self, index: int) -> float:
        """Argument ``index``, a double constant."""
        argument = self._window.arguments[index]
        if not isinstance(argument, Literal) or argument.type is not AttributeType.DOUBLE:
            raise self.refusal(f"argument {index + 1} must be a double constant, not {_described(argument)}")
        return float(argument.value)

    def text(self, index: int) -> str:
        """Argument ``index``, a string constant."""
        argument = self._window.arguments[index]
        if not isinstance(argument, Literal) or argument.type is not AttributeType.STRING:
            raise self.refusal(f"argument {index + 1} must be a string constant, not {_described(argument)}")
        return str(argument.value)

    def is_constant(self, index: int) -> bool:
        """Whether argument ``index`` is a constant."""
        return isinstance(self._window.arguments[index], Literal)

    def attribute(self, index: int) -> int:
        """Position of the attribute that argument ``index`` names."""
        argument = self._window.arguments[index]
        if not isinstance(argument, AttributeRef):
            raise self.refusal(f"argument {index + 1} must be an attribute, not {_described(argument)}")
        return argument.attribute

    def _integer(self, index: int, what: str, *types: AttributeType) -> int:
        argument = self._window.arguments[index]
        if not isinstance(argument, Literal) or argument.type not in types:
            wanted = " or ".join(type_.value for type_ in types)
            raise self.refusal(f"{what} must be an {wanted} constant, not {_described(argument)}")
        assert isinstance(argument.value, int)
        return argument.value

    def refusal(self, problem: str) -> PlanSemanticError:
        """The error for ``problem``, at the window's place, with the valid forms."""
        span = self._window.span
        return PlanSemanticError(f"{problem}; valid: {', '.join(self._forms)}", line=span.line, column=span.column)


def _described(argument: Expression) -> str:
    match argument:
        case Literal(value=value, type=type_):
            return f"the {type_.value} {value!r}"
        case AttributeRef(name=name, type=type_):
            return f"the {type_.value} attribute {name!r}"
        case _:
            return f"a {argument.type.value} expression"
