"""Gives the calling thread its name in the operating system, too: ``top -H`` and the benchmarks tell it by that."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Final

NAME_BYTES_MAX: Final = 15
"""What Linux keeps."""


def show_thread_name() -> None:
    """Name the calling thread as Python calls it; where that is not possible, it stays without."""
    thread = threading.current_thread()
    with contextlib.suppress(OSError):
        Path(f"/proc/self/task/{thread.native_id}/comm").write_text(thread.name[:NAME_BYTES_MAX])
