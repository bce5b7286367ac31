"""A plan as text in pieces that can be left out: definitions, and statements of clauses, some within partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a query; ``optional`` ones (a filter, a window, having, a rate) can be left out."""

    text: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One query."""

    clauses: tuple[Clause, ...]

    def text(self) -> str:
        return " ".join(clause.text for clause in self.clauses if clause.text).replace(" #window", "#window") + ";"

    def smaller(self) -> Iterator[Statement]:
        """The same without one of its optional clauses."""
        for place, clause in enumerate(self.clauses):
            if clause.optional:
                yield Statement(self.clauses[:place] + self.clauses[place + 1 :])


@dataclass(frozen=True, slots=True)
class Block:
    """A partition around some queries; with an empty ``head`` its only query stands by itself."""

    statements: tuple[Statement, ...]
    head: str = ""

    def text(self) -> str:
        inside = "\n".join(statement.text() for statement in self.statements)
        return f"{self.head}\nbegin\n{inside}\nend;" if self.head else inside

    def smaller(self) -> Iterator[Block]:
        if len(self.statements) > 1:
            for place in range(len(self.statements)):
                yield replace(self, statements=self.statements[:place] + self.statements[place + 1 :])
        for place, statement in enumerate(self.statements):
            for less in statement.smaller():
                yield replace(self, statements=(*self.statements[:place], less, *self.statements[place + 1 :]))


@dataclass(frozen=True, slots=True)
class PlanText:
    """A random plan. ``questions`` are asked of it after some entries."""

    playback: bool
    definitions: tuple[str, ...]
    blocks: tuple[Block, ...]
    questions: tuple[str, ...] = ()

    def text(self) -> str:
        head = ["@app:playback"] if self.playback else []
        return "\n".join((*head, *self.definitions, *(block.text() for block in self.blocks))) + "\n"

    def smaller(self) -> Iterator[PlanText]:
        """Plans with one thing less; not all of them are valid."""
        for place in reversed(range(len(self.blocks))):
            yield replace(self, blocks=self.blocks[:place] + self.blocks[place + 1 :])
        for place in reversed(range(len(self.questions))):
            yield replace(self, questions=self.questions[:place] + self.questions[place + 1 :])
        for place in reversed(range(len(self.definitions))):
            yield replace(self, definitions=self.definitions[:place] + self.definitions[place + 1 :])
        for place, block in enumerate(self.blocks):
            for less in block.smaller():
                yield replace(self, blocks=(*self.blocks[:place], less, *self.blocks[place + 1 :]))
