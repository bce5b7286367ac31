"""The log that a process of eiha writes to a file, read while the process still writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["logged"]


def logged(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a log over all starts of its process, oldest first; without what is no JSON (a traceback).

    A line without its line feed is still being written, or was cut off by a kill at the end of the file; one that a
    kill cut off in the middle of the file has the next start's first line behind it. Neither is a line.
    """
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [line for text in whole.splitlines() if (line := _decoded(text)) is not None]


def _decoded(text: bytes) -> dict[str, Any] | None:
    if not text.startswith(b"{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    assert isinstance(found, dict), text
    return found
