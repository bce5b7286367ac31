from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest

from eiha.node.thread_name import show_thread_name


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc here")
def test_a_thread_is_called_in_the_system_as_in_python() -> None:
    seen: queue.Queue[str] = queue.Queue()

    def tell() -> None:
        show_thread_name()
        seen.put(Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text().strip())

    threading.Thread(target=tell, name="eiha-a-name-that-is-long").start()
    assert seen.get(timeout=10) == "eiha-a-name-tha"
