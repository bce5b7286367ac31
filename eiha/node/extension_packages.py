"""Load the packages that extend the language: those that name modules under ``eiha.extensions``."""

from __future__ import annotations

from importlib.metadata import entry_points

from eiha.errors import ExtensionError
from eiha.extensions import ENTRY_POINT_GROUP


def load_extension_packages() -> tuple[str, ...]:
    """Import each installed module of the group, in order of names; the names of those loaded.

    Both nodes must have the same packages: a plan that one of them cannot bind is not deployed there.

    Raises:
        ExtensionError: one cannot be imported, or registers what cannot be.
    """
    loaded: list[str] = []
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda each: (each.name, each.value)):
        try:
            entry.load()
        except ExtensionError as cause:
            raise ExtensionError(f"extension {entry.name!r} ({entry.value}): {cause}") from cause
        except Exception as cause:
            raise ExtensionError(f"extension {entry.name!r} ({entry.value}) cannot be loaded: {cause!r}") from cause
        loaded.append(entry.name)
    return tuple(loaded)
