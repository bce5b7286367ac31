"""Random plans of what real Siddhi has, by family; what is known to be done differently on purpose is not drawn."""

from __future__ import annotations

from random import Random

from tests.fuzz.draw_expressions import TYPES, Attribute, attributes_of
from tests.fuzz.plan_text import Block, Clause, Statement
from tests.siddhi.draw_expressions import aggregate, condition, expression
from tests.siddhi.draw_windows import window

Attributes = tuple[Attribute, ...]


def _attributes(text: str) -> Attributes:
    return tuple(Attribute(*each.split()) for each in text.split(", "))


BASE = {
    "S1": _attributes("k string, n int, l long, d double, b bool, ts long"),
    "S2": _attributes("k string, n int, f float, d double, ts long"),
    "S3": _attributes("k string, n int, d double"),
}
ITEM = BASE["S3"]
KINDS = ("", "", "", "", "all events", "expired events", "current events")
TIMES = ("50 milliseconds", "200 milliseconds", "1 sec", "2 sec", "7 sec")
FAMILIES = (
    *("projection", "filter", "aggregate", "window", "batch", "handlers", "chain", "rate", "snapshot", "order"),
    *("join", "join_table", "pattern", "count", "logical", "absent", "sequence", "partition", "partition_inner"),
    *("partition_pattern", "table", "upsert", "in", "named_window", "ondemand", "aggregation", "fault"),
)


class PlanDrawing:
    """One plan in the making.

    ``any_order``: its rows come in the order of a hash. ``calls``: a call may bring several events. ``nulls``: values
    may be null.
    """

    def __init__(self, random: Random, family: str) -> None:
        self.random = random
        self.family = family
        self.playback = random.random() < 0.65
        self.base = {name: BASE[name] for name in sorted(random.sample(list(BASE), random.randint(1, 2)))}
        self.known: dict[str, Attributes] = dict(self.base)
        self.definitions = [f"define stream {name} {schema(each)};" for name, each in self.base.items()]
        self.blocks: list[Block] = []
        self.questions: list[str] = []
        self.outputs: list[str] = []
        self.any_order = False
        self.calls = True
        self.nulls = True
        self.shown: Attributes = ()
        self._queries = 0

    # --- pieces -----------------------------------------------------------------------------------------------

    def source(self, *among: str) -> tuple[str, Attributes]:
        return self.random.choice([(name, self.known[name]) for name in among or tuple(self.known)])

    def query(self, *clauses: Clause) -> Statement:
        self._queries += 1
        return Statement((Clause(f"@info(name='q{self._queries}') "), *clauses))

    def add(self, *clauses: Clause) -> None:
        self.blocks.append(Block((self.query(*clauses),)))

    def filter(self, attributes: Attributes, chance: float) -> Clause:
        wanted = self.random.random() < chance
        return Clause(f"[{condition(self.random, attributes)}]" if wanted else "", optional=True)

    def window(self, attributes: Attributes, *kinds: str) -> Clause:
        return Clause(f"#window.{window(self.random, attributes, kinds, live=not self.playback)}", optional=True)

    def target(self, attributes: Attributes) -> str:
        name = f"Out{len(self.outputs) + 1}"
        self.outputs.append(name)
        self.known[name] = attributes
        return name

    def items(self, attributes: Attributes, *, aggregates: float) -> tuple[list[str], Attributes]:
        random = self.random
        shown = []
        for _ in range(random.randint(1, 3)):
            if random.random() < aggregates:
                shown.append(aggregate(random, attributes))
            else:
                type_ = random.choice(TYPES)
                shown.append((expression(random, attributes, type_), type_))
        names = tuple(Attribute(f"c{place}", type_) for place, (_, type_) in enumerate(shown))
        return [f"{text} as c{place}" for place, (text, _) in enumerate(shown)], names

    def select(
        self,
        attributes: Attributes,
        *,
        aggregates: float | None = None,
        group: float = 0.4,
        having: float = 0.15,
        order: float = 0.1,
        limit: float = 0.08,
        rate: float = 0.0,
        target: str | None = None,
        kinds: tuple[str, ...] = KINDS,
    ) -> list[Clause]:
        random = self.random
        by = [
            each for each in attributes_of(attributes, "string", "int", "bool") if each.ref.replace(".", "").isalnum()
        ]
        grouped = random.choice(by) if by and random.random() < group else None
        share = (
            aggregates if aggregates is not None else random.choice((0.0, 0.6, 1.0) if grouped is None else (0.7, 1.0))
        )
        items, shown = self.items(attributes, aggregates=share)
        if grouped is not None and random.random() < 0.8:
            items.insert(0, f"{grouped.ref} as g")
            shown = (Attribute("g", grouped.type), *shown)
        clauses = [Clause(f"select {', '.join(items)}")]
        if grouped is not None:
            clauses.append(Clause(f"group by {grouped.ref}", optional=True))
        if random.random() < having:
            clauses.append(Clause(f"having {condition(random, shown, 1)}", optional=True))
        if random.random() < order:
            way = random.choice(("", " asc", " desc"))
            clauses.append(Clause(f"order by {random.choice(shown).ref}{way}", optional=True))
        if random.random() < limit:
            clauses.append(Clause(f"limit {random.randint(1, 3)}", optional=True))
            if random.random() < 0.4:
                clauses.append(Clause("offset 1", optional=True))
        self.shown = shown
        kind = random.choice(kinds)
        if random.random() < rate:
            clauses.append(Clause(self.rate(), optional=True))
        return [*clauses, Clause(f"insert {kind} into {target or self.target(shown)}")]

    def rate(self) -> str:
        every = self.random.choice(("2 events", "3 events", "4 events", "500 milliseconds", "1 sec", "3 sec"))
        return f"output {self.random.choice(('', 'all', 'first', 'last'))} every {every}"

    # --- families of one stream ---------------------------------------------------------------------------------

    def projection(self) -> None:
        name, attributes = self.source()
        self.add(Clause(f"from {name}"), *self.select(attributes, aggregates=0.0, group=0.0, order=0.0, limit=0.0))

    def filter_(self) -> None:
        name, attributes = self.source()
        self.add(
            Clause(f"from {name}"), self.filter(attributes, 1.0), *self.select(attributes, aggregates=0.1, group=0.1)
        )

    def aggregate(self) -> None:
        name, attributes = self.source()
        self.add(Clause(f"from {name}"), self.filter(attributes, 0.3), *self.select(attributes, aggregates=0.8))

    def window_(self) -> None:
        name, attributes = self.source()
        self.add(Clause(f"from {name}"), self.window(attributes), *self.select(attributes))

    def batch(self) -> None:
        name, attributes = self.source()
        kinds = ("lengthBatch", "timeBatch", "batch", "externalTimeBatch", "timeBatch", "lengthBatch", "cron")
        self.add(
            Clause(f"from {name}"), self.window(attributes, *kinds), *self.select(attributes, order=0.25, limit=0.2)
        )

    def handlers(self) -> None:
        name, attributes = self.source()
        clauses = (self.filter(attributes, 0.6), self.window(attributes), self.filter(attributes, 0.6))
        self.add(Clause(f"from {name}"), *clauses, *self.select(attributes))

    def chain(self) -> None:
        for _ in range(self.random.randint(2, 4)):
            name, attributes = self.source()
            clauses = [self.filter(attributes, 0.3)]
            if self.random.random() < 0.6:
                clauses.append(self.window(attributes))
            self.add(Clause(f"from {name}"), *clauses, *self.select(attributes))

    def rate_(self) -> None:
        name, attributes = self.source()
        clauses = [self.window(attributes)] if self.random.random() < 0.7 else []
        self.add(Clause(f"from {name}"), *clauses, *self.select(attributes, rate=1.0))

    def snapshot(self) -> None:
        name, attributes = self.source()
        kinds = ("length", "time", "externalTime", "lengthBatch", "timeLength", "timeBatch")
        clauses = [self.window(attributes, *kinds)] if self.random.random() < 0.7 else []
        tail = self.select(attributes, order=0.0, limit=0.0, kinds=("",))
        every = self.random.choice(("500 milliseconds", "1 sec", "2 sec"))
        tail.insert(len(tail) - 1, Clause(f"output snapshot every {every}"))
        self.add(Clause(f"from {name}"), *clauses, *tail)

    def order(self) -> None:
        name, attributes = self.source()
        kinds = ("lengthBatch", "timeBatch", "batch", "length", "time", "sort")
        tail = self.select(attributes, order=0.9, limit=0.6, having=0.3)
        self.add(Clause(f"from {name}"), self.window(attributes, *kinds), *tail)

    def fault(self) -> None:
        name, attributes = self.source()
        mark = self.random.choice(("@OnError(action='STREAM') ", "@OnError(action='LOG') ", ""))
        self.definitions = [mark + each if f" {name} " in each else each for each in self.definitions]
        fails = self.random.choice(("cast(k, 'int') + 1", "ifThenElse(n > 3, cast(k, 'int') + 1, 2)"))
        self.add(Clause(f"from {name}"), *self.select(attributes))
        self.add(Clause(f"from {name} select {fails} as x, n insert into {self.target(_attributes('x int, n int'))}"))
        self.add(Clause(f"from {name}"), *self.select(attributes))
        if "STREAM" in mark:
            self.add(Clause(f"from !{name} select k, n insert into {self.target(_attributes('k string, n int'))}"))


def schema(attributes: Attributes) -> str:
    return "(" + ", ".join(f"{each.ref} {each.type}" for each in attributes) + ")"


def qualified(attributes: Attributes, alias: str) -> Attributes:
    return tuple(Attribute(f"{alias}.{each.ref}", each.type) for each in attributes)
