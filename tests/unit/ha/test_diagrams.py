from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from eiha.ha.roles import TRANSITIONS, Role, Trigger

ROOT = Path(__file__).resolve().parents[3]


def test_the_diagrams_in_the_protocol_page_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "draw_states.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_move_but_stopping_is_in_the_drawing() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    for (before, trigger), after in TRANSITIONS.items():
        if trigger is not Trigger.STOPPED:
            arrows = [
                line for line in page.splitlines() if line.strip().startswith(f"{before.value} --> {after.value}:")
            ]
            assert any(trigger.value in arrow for arrow in arrows), (before, trigger)
    assert f"[*] --> {Role.STARTING.value}" in page
