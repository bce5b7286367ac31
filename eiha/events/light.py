"""Values that are made by the thousand for each batch: frozen for the type checker, plain while they run.

A frozen dataclass sets each field by way of ``object.__setattr__``, which is half of what a query of few columns costs.
What only a mistake of ours could break is not looked at either: such a class has a method ``check``, which every test
calls for every value made (``tests/checked_values.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as light_dataclass
else:
    from dataclasses import dataclass

    def light_dataclass(*, frozen: bool, slots: bool):
        """``dataclass(frozen=True, slots=True)`` to whoever reads or checks the code."""
        assert frozen
        assert slots
        return dataclass(slots=True)


__all__ = ["light_dataclass"]
