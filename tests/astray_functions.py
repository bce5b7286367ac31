"""An extension function that says that it is deterministic and is not: a file beside the node decides what it gives.

Installed as a package for real nodes by ``tests/integration/test_divergence.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from eiha.extensions import scalar_function

VARIABLE: Final = "EIHA_TEST_ASTRAY"
"""Names the file; while it exists, ``astray:weigh`` goes wrong."""

WRONG_AT: Final = 13


@scalar_function("astray:weigh", "number long -> long", deterministic=True, on_error="null")
def weigh(number: int) -> int:
    """Give the number back; one of them, while the file is there, is given as another."""
    return number + 1_000 if number == WRONG_AT and Path(os.environ[VARIABLE]).exists() else number
