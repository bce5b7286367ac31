"""The house rules that a program can check. A list of exceptions may only shrink."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
KERNEL_LINES_MAX = 110
"""Of a compiled loop: a call that takes arrays costs tens of ns a row, so its parts are not functions."""
CORE = ("errors", "kernel", "events", "protocol", "siddhiql", "plan", "engine", "ha")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".sh"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "managers", "manager", "misc", "common", "stuff"}


def _sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _sources("eiha"), ids=_name)
def test_a_file_is_small_has_a_docstring_and_a_telling_name(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    assert ast.get_docstring(_tree(path)), "a module docstring says what it decides"
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", _sources("eiha"), ids=_name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_kernel = any(isinstance(each, ast.Name) and each.id == "kernel" for each in node.decorator_list)
            # of a kernel the parameters, one a line, are no part of what is read as a whole
            first = node.body[0].lineno if is_kernel else node.lineno
            lines = (node.end_lineno or first) - first + 1
            docstring = ast.get_docstring(node, clean=False)
            lines -= len(docstring.splitlines()) if docstring else 0
            most = KERNEL_LINES_MAX if is_kernel else FUNCTION_LINES_MAX
            assert lines <= most, f"{node.name} at line {node.lineno} has {lines} lines"


@pytest.mark.parametrize("path", [p for d in CORE for p in _sources(f"eiha/{d}")], ids=_name)
def test_the_core_does_no_input_or_output(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "id", "exec", "eval"}, f"line {node.lineno}"


@pytest.mark.parametrize("path", _sources("eiha"), ids=_name)
def test_no_error_is_swallowed(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(statement, ast.Pass) for statement in node.body)
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            assert not (silent and broad), f"line {node.lineno}"


def test_every_package_says_what_lives_there() -> None:
    for path in _sources("eiha"):
        if path.name == "__init__.py" and path.parent != ROOT / "eiha":
            docstring = ast.get_docstring(_tree(path)) or ""
            assert len(docstring.splitlines()) >= 2, path


def test_nothing_tracked_speaks_of_unfinished_work_or_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    machine = re.compile(r"(^|[^\w.])/(work|root|home)/")
    for name in tracked:
        path = ROOT / name
        if (
            name.startswith("tests/tidy/")
            or not path.is_file()
            or path.suffix not in {".py", ".md", ".toml", ".yml", ".sh"}
        ):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not unfinished.search(line), f"{name}:{number}: {line.strip()}"
            assert not machine.search(line), f"{name}:{number}: {line.strip()}"


def test_links_between_documents_lead_somewhere() -> None:
    link = re.compile(r"\[[^\]]*\]\((?!https?:|#|mailto:)([^)#\s]+)")
    for path in [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("*.md")),
    ]:
        for target in link.findall(path.read_text()):
            assert (path.parent / target).exists(), f"{_name(path)} links to {target}"


def test_tests_that_documents_name_exist() -> None:
    named = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for file, test in named.findall(path.read_text()):
            assert (ROOT / file).exists(), f"{_name(path)} names {file}"
            assert not test or f"def {test}(" in (ROOT / file).read_text(), f"{_name(path)} names {file}::{test}"
