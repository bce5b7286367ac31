"""Machine code before events: every kernel is loaded, or compiled and cached, before a node joins."""

from __future__ import annotations

import importlib
import pkgutil

from eiha.engine import jit

_PACKAGES = ("eiha.engine",)


def warm_kernels() -> int:
    """Import every module that defines kernels and make them ready; how many there are (0 when interpreted).

    The first call of an installation compiles (tens of seconds), later ones load from the on-disk cache.
    """
    import_kernels()
    return jit.warm()


def import_kernels() -> None:
    """Import every module that defines kernels."""
    for package_name in _PACKAGES:
        package = importlib.import_module(package_name)
        for module in pkgutil.walk_packages(package.__path__, f"{package_name}."):
            importlib.import_module(module.name)
