"""Draw the roles of a member from the transition table into docs/protocol.md, between its diagram markers.

python tools/draw_states.py            writes the file
python tools/draw_states.py --check    exit status 1 if the file is not current
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from eiha.ha.roles import TRANSITIONS, Role, Trigger  # noqa: E402
from eiha.ha.switchover import MOVES, Step  # noqa: E402

PAGE = ROOT / "docs" / "protocol.md"
BEGIN, END = "<!-- diagrams: begin -->", "<!-- diagrams: end -->"


def role_diagram() -> str:
    """The roles as a Mermaid state diagram; several triggers of one move share its arrow."""
    labels: dict[tuple[Role, Role], list[str]] = defaultdict(list)
    for (before, trigger), after in TRANSITIONS.items():
        if trigger is not Trigger.STOPPED:
            labels[before, after].append(trigger.value)
    lines = ["stateDiagram-v2", f"  [*] --> {Role.STARTING.value}"]
    lines += [f"  {before.value} --> {after.value}: {', '.join(names)}" for (before, after), names in labels.items()]
    return "\n".join(lines)


def switchover_diagram() -> str:
    """The steps of a planned switchover, as the active goes through them."""
    lines = ["stateDiagram-v2"]
    lines += [f"  {_step(before)} --> {_step(after)}: {when}" for before, after, when in MOVES]
    under_way = [step for step in Step if step is not Step.NONE]
    lines += [f"  {_step(step)} --> [*]: called off, the active goes on" for step in under_way]
    return "\n".join(lines)


def _step(step: Step) -> str:
    return "[*]" if step is Step.NONE else step.value.replace(" ", "_")


def section() -> str:
    """The text between the markers."""
    stopped = "Every role but `halted` also goes to `halted` when it is stopped."
    parts = [
        "## Roles",
        "Drawn by `tools/draw_states.py` from the table in `eiha/ha/roles.py`. " + stopped,
        f"```mermaid\n{role_diagram()}\n```",
        "A planned switchover, seen from the active (`eiha/ha/switchover.py`):",
        f"```mermaid\n{switchover_diagram()}\n```",
    ]
    return "\n\n".join(parts)


def drawn(page: str) -> str:
    """``page`` with the section brought up to date."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{PAGE} lacks the line {BEGIN}"
    assert end, f"{PAGE} lacks the line {END}"
    return f"{before}{BEGIN}\n\n{section()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write or check."""
    page = PAGE.read_text(encoding="utf-8")
    current = drawn(page)
    if "--check" in arguments:
        if current != page:
            print(f"{PAGE.name} is not current: run python tools/draw_states.py", file=sys.stderr)
        return int(current != page)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
