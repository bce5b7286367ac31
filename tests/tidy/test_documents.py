"""What the documents show exists: commands, options, modules, targets of make, names of metrics and tables."""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from eiha.cli.main import SUBCOMMANDS
from eiha.node.config_reader import read_config
from eiha.plan.compilation import compile_plan

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARKED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_MODULE = re.compile(r"python -m ([\w.]+)")
_TARGET = re.compile(r"(?:^|[;&] *)make ([a-z][\w-]*)")
_COMMAND = re.compile(r"(?:^|(?<!from)\s)eiha ([a-z][a-z-]*)((?: [^`|;&]*)?)")
_NAME = re.compile(r"eiha_[a-z_]+")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def _shown(path: Path) -> list[str]:
    """The code of a document: the lines of its blocks, and what stands between backticks elsewhere."""
    text = path.read_text(encoding="utf-8")
    lines = [line for block in _FENCED.findall(text) for line in block.splitlines()]
    return [*lines, *_INLINE.findall(_FENCED.sub("", text))]


@functools.cache
def _source() -> str:
    return "\n".join(each.read_text(encoding="utf-8") for each in (ROOT / "eiha").rglob("*.py"))


@functools.cache
def _is_run(module: str) -> bool:
    """Whether ``python -m`` does something with it: it is a package with ``__main__``, or a file that looks for it."""
    found = importlib.util.find_spec(module)
    if found is None:
        return False
    if found.submodule_search_locations is not None:
        return importlib.util.find_spec(f"{module}.__main__") is not None
    assert found.origin is not None
    return '__name__ == "__main__"' in Path(found.origin).read_text(encoding="utf-8")


@functools.cache
def _subcommands() -> dict[str, argparse.ArgumentParser]:
    found = {}
    for name, (module, _) in SUBCOMMANDS.items():
        found[name] = argparse.ArgumentParser(prog=f"eiha {name}")
        importlib.import_module(module).add_arguments(found[name])
    return found


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Of a command and all that is below it."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found |= _options(each)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_options_and_modules_that_are_shown_exist(path: Path) -> None:
    commands = _subcommands()
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in _shown(path):
        for module in _MODULE.findall(code):
            assert _is_run(module), code
        for target in _TARGET.findall(code):
            assert target in targets, code
        for name, rest in _COMMAND.findall(code):
            assert name in commands, code
            unknown = set(_OPTION.findall(rest)) - _options(commands[name])
            assert not unknown, (code, unknown)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_names_of_metrics_and_tables_stand_in_the_code(path: Path) -> None:
    code = _source()
    names = {name for shown in _shown(path) for name in _NAME.findall(shown)}
    assert not [name for name in names if name not in code]


def test_what_the_image_runs_exists() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert all(_is_run(module) for module in _MODULE.findall(text))
    named = re.findall(r"^RUN eiha ([a-z-]+)", text, re.MULTILINE)
    assert named
    assert set(named) <= set(_subcommands())


def test_plans_and_the_configuration_of_the_page_for_those_who_migrate_are_valid(tmp_path: Path) -> None:
    blocks = _MARKED.findall((ROOT / "docs" / "migration.md").read_text(encoding="utf-8"))
    before = [text for kind, text in blocks if kind == "text" and text.startswith("@Plan:name")]
    after = [text for kind, text in blocks if kind == "sql"]
    (toml,) = [text for kind, text in blocks if kind == "toml"]
    assert [compile_plan(text).warnings for text in after] == [()]
    assert [len(compile_plan(text).warnings) for text in before] == [4]
    path = tmp_path / "node1.toml"
    path.write_text(toml, encoding="utf-8")
    secrets = {"EIHA_CLUSTER_SECRET": "a secret of the test", "EIHA_DB_PASSWORD": "a password of the test"}
    assert read_config(path, secrets).cluster.node == "node1"
