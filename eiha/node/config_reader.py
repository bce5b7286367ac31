"""TOML text → ``NodeConfig``: each error names file, line, key, what is wrong and what would be right."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

from eiha.errors import ConfigurationError
from eiha.node.config import SECTIONS, DatasourceSection, MemberAddress, NodeConfig
from eiha.node.config_check import check_consistency
from eiha.node.config_key import DeclaredKey, declared_keys
from eiha.node.toml_lines import find_lines

_Section = TypeVar("_Section")
_REFERENCE: Final = re.compile(r"\$\{(?P<kind>[a-z]+):(?P<name>[^}]*)\}")
_TYPE_NAMES: Final[dict[type, str]] = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


def read_config(path: Path, environment: Mapping[str, str]) -> NodeConfig:
    """Read and check the configuration in ``path``.

    ``environment`` answers ``${env:NAME}``; ``${file:PATH}`` is read relative to the configuration's directory.

    Raises:
        ConfigurationError: naming every problem found, one a line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file; give the configuration with --config FILE") from None
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigurationError(f"{path}: cannot be read: {cause}") from cause
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise ConfigurationError(f"{path}: not valid TOML: {cause}") from cause
    return _Reader(path, find_lines(text), environment).read(document)


class _Reader:
    """Reads one document and gathers all problems instead of stopping at the first."""

    def __init__(self, path: Path, lines: Mapping[tuple[str, ...], int], environment: Mapping[str, str]) -> None:
        self._path = path
        self._lines = lines
        self._environment = environment
        self._problems: list[tuple[int, str]] = []

    def read(self, document: dict[str, Any]) -> NodeConfig:
        sections: dict[str, Any] = {}
        names = [*SECTIONS, "datasources"]
        for name in document:
            if name not in names:
                self._report((name,), f"unknown section [{name}]{_nearest(name, names)}")
        for name, section in SECTIONS.items():
            sections[name] = self._table((name,), document.get(name, {}), section)
        datasources = self._datasources(document.get("datasources", {}))
        self._raise_problems()
        config = NodeConfig(source=str(self._path), datasources=datasources, **sections)
        for where, message in check_consistency(config):
            self._report(where, message)
        self._raise_problems()
        return config

    def _datasources(self, value: Any) -> tuple[tuple[str, DatasourceSection], ...]:
        if not isinstance(value, dict):
            self._report(("datasources",), "must hold tables: [datasources.NAME]")
            return ()
        found = []
        for name, table in value.items():
            datasource = self._table(("datasources", name), table, DatasourceSection)
            if datasource is not None:
                found.append((name, datasource))
        return tuple(found)

    def _table(self, where: tuple[str, ...], table: Any, section: type[_Section]) -> _Section | None:
        """The section, or None when something in it was reported."""
        if not isinstance(table, dict):
            self._report(where, f"must be a table: [{'.'.join(where)}]")
            return None
        before = len(self._problems)
        keys = {declared.name: declared for declared in declared_keys(section)}
        for name in table:
            if name not in keys:
                self._report((*where, name), f"unknown key {_dotted(where, name)}{_nearest(name, keys)}")
        values: dict[str, Any] = {}
        for name, declared in keys.items():
            if name in table:
                values[name] = self._value((*where, name), table[name], declared)
            elif declared.facts.required:
                self._report(where, f"{_dotted(where, name)} is missing: {declared.facts.doc}")
        return section(**values) if len(self._problems) == before else None

    def _value(self, where: tuple[str, ...], value: Any, declared: DeclaredKey) -> Any:
        if get_origin(declared.type) is tuple:
            return self._array(where, value, declared)
        fits = isinstance(value, declared.type) and (declared.type is bool or not isinstance(value, bool))
        if not fits:
            self._report(where, f"{_dotted(where)} must be {_TYPE_NAMES[declared.type]}, not {value!r}")
            return value
        if isinstance(value, str):
            value = self._resolve(where, value)
        self._check_bounds(where, value, declared)
        return value

    def _array(self, where: tuple[str, ...], value: Any, declared: DeclaredKey) -> tuple[Any, ...]:
        assert get_args(declared.type)[0] is MemberAddress
        if not isinstance(value, list):
            self._report(where, f"{_dotted(where)} must be a list of tables, not {value!r}")
            return ()
        self._check_bounds(where, value, declared)
        return tuple(self._table(where, item, MemberAddress) for item in value)

    def _check_bounds(self, where: tuple[str, ...], value: Any, declared: DeclaredKey) -> None:
        facts = declared.facts
        shown = "the value" if facts.secret else repr(value)
        if facts.choices and value not in facts.choices:
            options = ", ".join(facts.choices)
            self._report(where, f"{_dotted(where)} must be one of {options}; {shown} is none of them")
        size, unit = (len(value), " long") if isinstance(value, (str, list)) else (value, "")
        if facts.minimum is not None and size < facts.minimum:
            self._report(where, f"{_dotted(where)} must be at least {facts.minimum}{unit}; {shown} is too small")
        if facts.maximum is not None and size > facts.maximum:
            self._report(where, f"{_dotted(where)} must be at most {facts.maximum}{unit}; {shown} is too large")

    def _resolve(self, where: tuple[str, ...], text: str) -> str:
        """``text`` with its references to the environment and to files replaced."""

        def replacement(match: re.Match[str]) -> str:
            kind, name = match["kind"], match["name"]
            if kind == "env":
                if name in self._environment:
                    return self._environment[name]
                self._report(where, f"{_dotted(where)} refers to the environment variable {name}, which is not set")
            elif kind == "file":
                return self._file(where, name)
            else:
                self._report(
                    where, f"{_dotted(where)}: ${{{kind}:…}} is not known; use ${{env:NAME}} or ${{file:PATH}}"
                )
            return match[0]

        return _REFERENCE.sub(replacement, text)

    def _file(self, where: tuple[str, ...], name: str) -> str:
        path = self._path.parent / name
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as cause:
            self._report(where, f"{_dotted(where)} refers to the file {path}, which cannot be read: {cause}")
            return ""

    def _report(self, where: tuple[str, ...], message: str) -> None:
        line = 0
        for length in range(len(where), 0, -1):
            line = self._lines.get(where[:length], 0)
            if line:
                break
        self._problems.append((line, message))

    def _raise_problems(self) -> None:
        if self._problems:
            place = [
                (f"{self._path}:{line}" if line else str(self._path), text) for line, text in sorted(self._problems)
            ]
            raise ConfigurationError("\n".join(f"{where}: {text}" for where, text in place))


def _dotted(where: Iterable[str], name: str = "") -> str:
    return ".".join([*where, *([name] if name else [])])


def _nearest(name: str, names: Iterable[str]) -> str:
    known = list(names)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}"
