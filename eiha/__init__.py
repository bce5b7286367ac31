"""eiha: a Python-native, highly available event processor. ``from eiha import Plan`` runs a plan in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eiha.embedded import Output, Plan, Texts

__version__ = "0.1.0"

__all__ = ["Output", "Plan", "Texts", "__version__"]


def __getattr__(name: str) -> Any:
    """The names of ``eiha.embedded``, imported when they are asked for: a client needs no engine."""
    if name in ("Output", "Plan", "Texts"):
        from eiha import embedded

        return getattr(embedded, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
