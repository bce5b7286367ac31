"""Golden files: named sections; the first holds the input, the others what the code makes of it.

::

    ==== text
    from S select a insert into Out;
    ==== tree
    Application
"""

from __future__ import annotations

from pathlib import Path

MARK = "==== "


def read_sections(path: Path) -> dict[str, str]:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith(MARK):
            current = sections.setdefault(line.removeprefix(MARK).strip(), [])
        else:
            current.append(line)
    return {name: "".join(lines) for name, lines in sections.items()}


def write_sections(path: Path, sections: dict[str, str]) -> None:
    path.write_text("".join(f"{MARK}{name}\n{body}" for name, body in sections.items()), encoding="utf-8")


def check(path: Path, actual: dict[str, str], *, rewrite: bool) -> None:
    """Compare the sections of ``path`` with ``actual``, or write them."""
    complete = {name: body if body.endswith("\n") or not body else body + "\n" for name, body in actual.items()}
    if rewrite:
        write_sections(path, complete)
        return
    assert complete == read_sections(path), f"{path.name} differs; if that is meant: pytest --rewrite"
