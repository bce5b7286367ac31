"""A TOML file → sections as their dataclasses declare them: each error names file, line, key, what is wrong and what
would be right. All problems are gathered, so that one look at the file puts all of them right.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

from eiha.errors import ConfigurationError
from eiha.node.config_key import DeclaredKey, declared_keys
from eiha.node.toml_lines import find_lines
from eiha.node.unreadable_file import why_unreadable

_Section = TypeVar("_Section")
_REFERENCE: Final = re.compile(r"\$\{(?P<kind>[a-z]+):(?P<name>[^}]*)\}")
_TYPE_NAMES: Final[dict[type, str]] = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


class TomlDocument:
    """One configuration file, read; problems are gathered by ``report`` and raised by ``raise_problems``.

    Args:
        path: the file.
        environment: answers ``${env:NAME}``; ``${file:PATH}`` is read relative to the file's directory.

    Raises:
        ConfigurationError: the file cannot be read or is not TOML.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment
        self._problems: list[tuple[int, str]] = []
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise ConfigurationError(
                f"{path}: there is no such file; give the configuration with --config FILE"
            ) from None
        except (OSError, UnicodeDecodeError) as cause:
            raise ConfigurationError(f"{path}: cannot be read: {why_unreadable(cause)}") from cause
        try:
            self._document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as cause:
            raise ConfigurationError(f"{path}: not valid TOML: {cause}") from cause
        self._lines = find_lines(text)

    def sections(self, declared: Mapping[str, type[Any]], others: Iterable[str] = ()) -> dict[str, Any]:
        """Every section of ``declared`` by its name, None where something was reported.

        A section that is neither declared nor among ``others``, which are read with ``named_tables``, is reported.
        """
        names = [*declared, *others]
        for name in self._document:
            if name not in names:
                self.report((name,), f"unknown section [{name}]{_nearest(name, names)}")
        return {name: self._table((name,), self._document.get(name, {}), section) for name, section in declared.items()}

    def named_tables(self, name: str, section: type[_Section]) -> tuple[tuple[str, _Section], ...]:
        """The tables ``[name.NAME]`` by their names."""
        value = self._document.get(name, {})
        if not isinstance(value, dict):
            self.report((name,), f"must hold tables: [{name}.NAME]")
            return ()
        found = []
        for each, table in value.items():
            read = self._table((name, each), table, section)
            if read is not None:
                found.append((each, read))
        return tuple(found)

    def report(self, where: tuple[str, ...], message: str) -> None:
        """Note a problem of the key at path ``where``."""
        line = 0
        for length in range(len(where), 0, -1):
            line = self._lines.get(where[:length], 0)
            if line:
                break
        self._problems.append((line, message))

    def raise_problems(self) -> None:
        """Raise ``ConfigurationError`` with all problems noted, in the order of lines; nothing if there are none."""
        if self._problems:
            place = [
                (f"{self._path}:{line}" if line else str(self._path), text) for line, text in sorted(self._problems)
            ]
            raise ConfigurationError("\n".join(f"{where}: {text}" for where, text in place))

    def _table(self, where: tuple[str, ...], table: Any, section: type[_Section]) -> _Section | None:
        """The section, or None when something in it was reported."""
        if not isinstance(table, dict):
            self.report(where, f"must be a table: [{'.'.join(where)}]")
            return None
        before = len(self._problems)
        keys = {declared.name: declared for declared in declared_keys(section)}
        for name in table:
            if name not in keys:
                self.report((*where, name), f"unknown key {_dotted(where, name)}{_nearest(name, keys)}")
        values: dict[str, Any] = {}
        for name, declared in keys.items():
            if name in table:
                values[name] = self._value((*where, name), table[name], declared)
            elif declared.facts.required:
                self.report(where, f"{_dotted(where, name)} is missing: {declared.facts.doc}")
        return section(**values) if len(self._problems) == before else None

    def _value(self, where: tuple[str, ...], value: Any, declared: DeclaredKey) -> Any:
        if get_origin(declared.type) is tuple:
            return self._array(where, value, declared)
        fits = isinstance(value, declared.type) and (declared.type is bool or not isinstance(value, bool))
        if not fits:
            self.report(where, f"{_dotted(where)} must be {_TYPE_NAMES[declared.type]}, not {value!r}")
            return value
        if isinstance(value, str):
            value = self._resolve(where, value)
        self._check_bounds(where, value, declared)
        return value

    def _array(self, where: tuple[str, ...], value: Any, declared: DeclaredKey) -> tuple[Any, ...]:
        item_type: type[Any] = get_args(declared.type)[0]
        if not isinstance(value, list):
            self.report(where, f"{_dotted(where)} must be a list of tables, not {value!r}")
            return ()
        self._check_bounds(where, value, declared)
        return tuple(self._table(where, item, item_type) for item in value)

    def _check_bounds(self, where: tuple[str, ...], value: Any, declared: DeclaredKey) -> None:
        facts = declared.facts
        shown = "the value" if facts.secret else repr(value)
        if facts.choices and value not in facts.choices:
            options = ", ".join(facts.choices)
            self.report(where, f"{_dotted(where)} must be one of {options}; {shown} is none of them")
        size, unit = (len(value), " long") if isinstance(value, (str, list)) else (value, "")
        if facts.minimum is not None and size < facts.minimum:
            self.report(where, f"{_dotted(where)} must be at least {facts.minimum}{unit}; {shown} is too small")
        if facts.maximum is not None and size > facts.maximum:
            self.report(where, f"{_dotted(where)} must be at most {facts.maximum}{unit}; {shown} is too large")

    def _resolve(self, where: tuple[str, ...], text: str) -> str:
        """``text`` with its references to the environment and to files replaced."""

        def replacement(match: re.Match[str]) -> str:
            kind, name = match["kind"], match["name"]
            if kind == "env":
                if name in self._environment:
                    return self._environment[name]
                self.report(where, f"{_dotted(where)} refers to the environment variable {name}, which is not set")
            elif kind == "file":
                return self._file(where, name)
            else:
                self.report(where, f"{_dotted(where)}: ${{{kind}:…}} is not known; use ${{env:NAME}} or ${{file:PATH}}")
            return match[0]

        return _REFERENCE.sub(replacement, text)

    def _file(self, where: tuple[str, ...], name: str) -> str:
        path = self._path.parent / name
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as cause:
            why = why_unreadable(cause)
            self.report(where, f"{_dotted(where)} refers to the file {path}, which cannot be read: {why}")
            return ""


def _dotted(where: Iterable[str], name: str = "") -> str:
    return ".".join([*where, *([name] if name else [])])


def _nearest(name: str, names: Iterable[str]) -> str:
    known = list(names)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}"
