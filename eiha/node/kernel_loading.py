"""Makes sure, before the node joins, that nothing will have to be compiled, and loads as little as that takes.

Compiling all kernels takes a minute, loading them from the cache about a second, knowing that the cache is whole a few
milliseconds. So the first start of an installation loads (and compiles) everything and writes down what the cache
then held; later ones compare, and leave the loading to the engine's thread: a kernel that an entry needs is loaded
with its first call (10 ms), the others one by one while the thread has nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from eiha.engine import jit
from eiha.engine.warm import import_kernels
from eiha.errors import StorageError
from eiha.storage.durable_files import replace_durably

RECORD: Final = "kernels.json"
CACHE_SUFFIXES: Final = (".nbi", ".nbc")
"""Numba's index of a function and its machine code."""
_CPU: Final = Path("/proc/cpuinfo")
_CPU_FIELDS: Final = ("model name", "flags", "Features", "CPU part")


def record_directory(own: Path) -> Path:
    """Where the record is: with the installation, for all of its nodes; where that cannot be written, in ``own``.

    An environment that keeps no bytecode has no ``__pycache__`` there yet: it is made.
    """
    beside = Path(jit.__file__).parent / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
    except OSError:
        return own
    return beside if os.access(beside, os.W_OK) else own


def prepare_kernels(location: Path, *, is_blank: bool = False) -> tuple[int, int]:
    """Import every kernel, load what must be loaded now; how many there are, and how many of them are loaded.

    ``location``: the directory that keeps the record. ``is_blank``: the node's disk holds nothing, so that nobody waits
    for it to come back: it loads one kernel, and with that all that Numba imports for the first one, which takes half a
    second. Left to the engine's thread, this meets the first plan's deployment in a pair that was founded just now, and
    takes the interpreter from the event loop of a node that may have to take over.
    """
    import_kernels()
    kernels = jit.kernels()
    if not jit.is_compiled():
        return len(kernels), 0
    record = location / RECORD
    fingerprint = _fingerprint(kernels)
    if _is_whole(_read(record), fingerprint):
        return len(kernels), int(is_blank and jit.load_next())
    loaded = jit.warm()
    _write(record, fingerprint)
    return len(kernels), loaded


def _fingerprint(kernels: tuple[jit.Kernel[Any, Any], ...]) -> str:
    """Changes with all that makes Numba compile anew: itself, the interpreter, the processor, the kernels' files."""
    parts = [sys.version, version("numba"), version("llvmlite"), platform.machine(), *_processor()]
    for path in sorted({str(each.plain.__code__.co_filename) for each in kernels}):
        found = Path(path).stat()
        parts.append(f"{path} {found.st_mtime_ns} {found.st_size}")
    parts += [f"{each.plain.__module__}.{each.name} {each.content}" for each in kernels]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _processor() -> list[str]:
    try:
        text = _CPU.read_text(errors="replace")
    except OSError:
        return [platform.processor()]
    return sorted({line for line in text.splitlines() if line.startswith(_CPU_FIELDS)})


def _read(record: Path) -> dict[str, Any]:
    try:
        content = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_whole(content: dict[str, Any], fingerprint: str) -> bool:
    """Whether the record is about this installation, and everything that it names is still there as it was."""
    files = content.get("files")
    if content.get("fingerprint") != fingerprint or not isinstance(files, dict) or not files:
        return False
    return files == _sizes(sorted({str(Path(path).parent) for path in files}))


def _sizes(directories: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for directory in directories:
        try:
            paths = sorted(path for path in Path(directory).iterdir() if path.suffix in CACHE_SUFFIXES)
            found |= {str(path): path.stat().st_size for path in paths}
        except OSError:
            return {}
    return found


def _write(record: Path, fingerprint: str) -> None:
    """Keep the record. Without it (a full disk, no cache) the next start loads everything again, nothing else."""
    content = {"fingerprint": fingerprint, "files": _sizes(list(jit.cache_directories()))}
    try:
        replace_durably(record, [json.dumps(content).encode()])
    except StorageError:
        return
