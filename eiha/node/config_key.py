"""How one configuration key is declared. Validation, ``--check``, docs and tests are all made from these declarations.

A section is a frozen dataclass; each of its fields is one key, made with ``key``. There is no other list of keys.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

METADATA_NAME: Final = "eiha.key"
"""Where a dataclass field carries its ``KeyFacts``."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What may stand behind a key.

    ``minimum`` and ``maximum`` are inclusive and bound numbers, or the length of texts. ``choices``: the only
    values allowed. ``secret``: the value is never shown by ``--check``, logs or status.
    """

    doc: str
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredKey:
    """A key of a section as the section's dataclass declares it. ``type`` is the resolved annotation."""

    name: str
    type: Any
    default: Any
    facts: KeyFacts


def key(
    default: Any,
    doc: str,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """A key that may be left out; ``default`` then holds."""
    facts = KeyFacts(doc, False, minimum, maximum, choices, secret)
    return dataclasses.field(default=default, metadata={METADATA_NAME: facts})


def required_key(doc: str, *, minimum: int | None = None, maximum: int | None = None, secret: bool = False) -> Any:
    """A key that must be given: no default could be right."""
    return dataclasses.field(metadata={METADATA_NAME: KeyFacts(doc, True, minimum, maximum, (), secret)})


def declared_keys(section: type[Any]) -> Iterator[DeclaredKey]:
    """The keys of ``section`` in the order of declaration."""
    hints = get_type_hints(section)
    for field in dataclasses.fields(section):
        facts = field.metadata[METADATA_NAME]
        assert isinstance(facts, KeyFacts)
        default = None if field.default is dataclasses.MISSING else field.default
        yield DeclaredKey(field.name, hints[field.name], default, facts)
