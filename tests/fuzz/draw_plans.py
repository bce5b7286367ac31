"""Random plans over the whole language: queries that feed one another, with all that the generator knows how to say."""

from __future__ import annotations

from random import Random

from tests.fuzz.draw_expressions import (
    NUMBERS,
    TYPES,
    Attribute,
    aggregate,
    attributes_of,
    condition,
    expression,
)
from tests.fuzz.draw_windows import JOINED, NAMED, TIMES, window
from tests.fuzz.plan_text import Block, Clause, PlanText, Statement

Attributes = tuple[Attribute, ...]

ITEM: Attributes = (Attribute("k", "string"), Attribute("n", "int"), Attribute("d", "double"))
BASE: dict[str, Attributes] = {
    "In1": (*ITEM, Attribute("b", "bool"), Attribute("ts", "long")),
    "In2": (*ITEM, Attribute("l", "long"), Attribute("f", "float"), Attribute("ts", "long")),
    "In3": ITEM,
}
SPAN = "within '2022-**-** **:**:**' per"
KINDS = ("", "", "", "", "all events", "expired events", "current events")


class PlanDrawing:
    """One plan in the making. ``known``: the streams that queries may read, with their attributes."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.playback = random.random() < 0.65
        self.base = {name: BASE[name] for name in sorted(random.sample(list(BASE), random.randint(1, 3)))}
        self.known: dict[str, Attributes] = dict(self.base)
        self.outputs: dict[str, Attributes] = {}
        self.definitions = [f"define stream {name} {_schema(each)};" for name, each in self.base.items()]
        self.tables: list[str] = []
        self.windows: list[str] = []
        self.aggregations: list[str] = []
        self.questions: list[str] = []
        self.inner: dict[str, Attributes] | None = None
        self._names = 0
        self._read: set[str] = set()
        self._causes: dict[str, frozenset[str]] = {}

    def plan(self) -> PlanText:
        self._define()
        blocks = [self._block() for _ in range(self._random.randint(1, 5))]
        if self.tables or self.windows:
            blocks.insert(self._random.randint(0, len(blocks)), self._filling())
        return PlanText(self.playback, tuple(self.definitions), tuple(blocks), tuple(self.questions))

    def _define(self) -> None:
        random = self._random
        for number in range(random.choice((0, 0, 1, 1, 2))):
            marks = random.choice(
                ("", "", "@PrimaryKey('k') ", "@PrimaryKey('k') ", "@PrimaryKey('k', 'n') ", "@Index('n') ")
            )
            self.tables.append(f"T{number + 1}")
            self.definitions.append(f"{marks}define table {self.tables[-1]} {_schema(ITEM)};")
            self.questions.append(f"from {self.tables[-1]} select *")
        for number in range(random.choice((0, 0, 0, 1, 2))):
            name, what = (
                f"W{number + 1}",
                random.choice(("", "", " output all events", " output current events", " output expired events")),
            )
            self.windows.append(name)
            self.definitions.append(f"define window {name} {_schema(ITEM)} {window(random, ITEM, NAMED)}{what};")
            self.questions.append(f"from {name} select k, sum(n) as s, count() as c group by k")
        if random.random() < 0.15:
            self._define_aggregation()
        if random.random() < 0.1:
            at = random.choice(("every 700 milliseconds", "every 2 sec", "'start'", "'*/3 * * * * ?'"))
            self.definitions.append(f"define trigger Tick at {at};")
            self.known["Tick"] = (Attribute("triggered_time", "long"),)

    def _define_aggregation(self) -> None:
        source = self._random.choice(list(self.base))
        by = " by ts" if source != "In3" and self._random.random() < 0.6 else ""
        columns = [
            "sum(d) as s",
            "count() as c",
            "avg(n) as a",
            "min(n) as lo",
            "max(d) as hi",
            "distinctCount(k) as u",
            "n as n",
        ]
        chosen = ", ".join(self._random.sample(columns, self._random.randint(1, 4)))
        head, group = ("k, ", " group by k") if self._random.random() < 0.7 else ("", "")
        filtered = f"[{condition(self._random, BASE[source], 1)}]" if self._random.random() < 0.2 else ""
        self.definitions.append(
            f"define aggregation A1 from {source}{filtered} "
            f"select {head}{chosen}{group} aggregate{by} every sec...hour;"
        )
        self.aggregations.append("A1")
        self.questions += [f"from A1 {SPAN} '{each}' select *" for each in ("seconds", "minutes")]

    def _filling(self) -> Block:
        target = self._random.choice([*self.tables, *self.windows])
        source = self._random.choice(list(self.base))
        return Block(
            (Statement((Clause(f"from {source}"), Clause("select k, n, d"), Clause(f"insert into {target}"))),)
        )

    def _block(self) -> Block:
        if self._random.random() < 0.2:
            return self._partition()
        return Block((self._statement(),))

    def _partition(self) -> Block:
        random = self._random
        plain = [name for name, each in self.known.items() if attributes_of(each, "string", "int", "long")]
        keyed = random.sample(plain, min(len(plain), random.choice((1, 1, 2))))
        keys: list[str] = []
        for name in keyed:
            numbers = attributes_of(self.known[name], *NUMBERS)
            if numbers and random.random() < 0.2:
                one = random.choice(numbers).ref
                keys.append(
                    random.choice(
                        (
                            f"{one} < 4 as 'low' or {one} >= 4 as 'high' of {name}",
                            f"{one} < 5 as 'a' or {one} > 2 as 'b' of {name}",
                            f"{one} > 1 as 'some' of {name}",
                        )
                    )
                )
            else:
                keys.append(f"{random.choice(attributes_of(self.known[name], 'string', 'int', 'long')).ref} of {name}")
        purge = "@purge(enable='true', interval='1 sec', idle.period='3 sec') " if random.random() < 0.15 else ""
        self.inner = {name: self.known[name] for name in keyed}
        statements = tuple(self._statement() for _ in range(random.choice((1, 1, 2, 3))))
        self.inner = None
        return Block(statements, f"{purge}partition with ({', '.join(keys)})")

    def _readable(self) -> dict[str, Attributes]:
        if self.inner is None:
            return self.known
        return self.known if self._random.random() < 0.1 else self.inner

    def _source(self) -> tuple[str, Attributes]:
        name, attributes = self._random.choice(list(self._readable().items()))
        self._read |= {name, *self._causes.get(name, ())}
        return name, attributes

    def _statement(self) -> Statement:
        self._read = set()
        drawn = self._random.random()
        if drawn < 0.17:
            clauses, attributes = self._join()
        elif drawn < 0.33:
            clauses, attributes = self._pattern()
        elif drawn < 0.4 and self.windows and self.inner is None:
            name = self._random.choice(self.windows)
            self._read |= {name, *self._causes.get(name, ())}
            clauses, attributes = [Clause(f"from {name}{self._filter(ITEM, 0.3)}")], ITEM
        else:
            clauses, attributes = self._single()
        if self.tables and self._random.random() < 0.25:
            return Statement((*clauses, *self._table_output(attributes)))
        return Statement((*clauses, *self._select(attributes)))

    def _filter(self, attributes: Attributes, chance: float) -> str:
        if self._random.random() >= chance:
            return ""
        if self.tables and self._random.random() < 0.1 and attributes_of(attributes, "string"):
            table = self._random.choice(self.tables)
            return f"[({table}.k == {self._random.choice(attributes_of(attributes, 'string')).ref}) in {table}]"
        return f"[{condition(self._random, attributes)}]"

    def _single(self) -> tuple[list[Clause], Attributes]:
        name, attributes = self._source()
        clauses = [Clause(f"from {name}")]
        clauses.append(Clause(self._filter(attributes, 0.35), optional=True))
        drawn = self._random.random()
        if drawn < 0.65:
            clauses.append(Clause(f"#window.{window(self._random, attributes)}", optional=True))
            clauses.append(Clause(self._filter(attributes, 0.2), optional=True))
        elif drawn < 0.7 and attributes_of(attributes, "string"):
            key = self._random.choice(attributes_of(attributes, "string")).ref
            clauses.append(Clause(f"#unique:deduplicate({key}, {self._random.choice(TIMES)})", optional=True))
        return clauses, attributes

    def _join(self) -> tuple[list[Clause], Attributes]:
        random = self._random
        left, right = self._side("a", first=True), self._side("b", first=False)
        kind = random.choice(("join", "join", "left outer join", "right outer join", "full outer join"))
        one_way = random.choice(("", "", "", " unidirectional"))
        aggregated = right[0].startswith("A1")
        both = [(x, y) for x in left[1] for y in right[1] if x.type == y.type and x.type != "bool"]
        on = []
        if both and random.random() < 0.9:
            x, y = random.choice([pair for pair in both if pair[0].type == "string"] or both)
            on.append(f"{x.ref} == {y.ref}")
        if random.random() < 0.35:
            on.append(condition(random, (*left[1], *right[1]), 1))
        if aggregated:
            kind = "join"
        clauses = [
            Clause(f"from {left[0]}{one_way if not aggregated else ''} {kind} {right[0]}"),
            Clause(f"on {' and '.join(on)}" if on else "", optional=True),
        ]
        if aggregated:
            clauses.append(Clause(f"{SPAN} '{random.choice(('seconds', 'minutes'))}'"))
        return clauses, (*left[1], *right[1])

    def _side(self, alias: str, *, first: bool) -> tuple[str, Attributes]:
        random = self._random
        drawn = random.random()
        others = [*self.tables, *self.windows]
        if not first and self.aggregations and drawn < 0.3:
            return f"A1 as {alias}", (Attribute(f"{alias}.AGG_TIMESTAMP", "long"),)
        if not first and others and drawn < 0.45:
            name = random.choice(others)
            self._read |= {name, *self._causes.get(name, ())} if name in self.windows else set()
            return f"{name} as {alias}", _qualified(ITEM, alias)
        name, attributes = self._source()
        shown = self._filter(attributes, 0.2)
        if shown or random.random() < 0.8:
            shown += f"#window.{window(random, attributes, JOINED)}"
        return f"{name}{shown} as {alias}", _qualified(attributes, alias)

    def _pattern(self) -> tuple[list[Clause], Attributes]:
        random = self._random
        is_sequence = random.random() < 0.3
        seen: list[Attribute] = []
        count = random.randint(2, 3)
        steps = [
            self._step(number, seen, is_sequence=is_sequence, last=number == count) for number in range(1, count + 1)
        ]
        if not is_sequence and len(steps) == 3 and random.random() < 0.3:
            steps[1] = f"every {steps[1]}" if random.random() < 0.5 else steps[1]
        every = "every " if random.random() < 0.8 else ""
        body = (", " if is_sequence else " -> ").join(steps)
        if every and not is_sequence and random.random() < 0.2 and "every" not in body:
            body = f"({body})"
        within = f"within {random.choice(TIMES)}" if random.random() < 0.5 else ""
        if not seen:
            seen.append(Attribute("1", "int"))
        return [Clause(f"from {every}{body}"), Clause(within, optional=True)], tuple(seen)

    def _step(self, number: int, seen: list[Attribute], *, is_sequence: bool, last: bool) -> str:
        random = self._random
        one, attributes = self._bare_step(f"e{number}", seen)
        drawn = random.random()
        if drawn < 0.12 and not is_sequence and not last:
            other, more = self._bare_step(f"e{number}b", seen)
            seen += [*attributes, *more]
            return f"{one} {random.choice(('and', 'or'))} {other}"
        if drawn < 0.2 and not is_sequence and number > 1:
            absent = self._bare_step("", seen)[0]
            if random.random() < 0.5:
                return f"not {absent} for {random.choice(TIMES)}"
            seen += attributes
            return f"not {absent} and {one}"
        if drawn < 0.4:
            counts = ("+", "*", "?", "+") if is_sequence else ("<1:3>", "<2>", "<0:2>", "<1:>", "<2:3>")
            last_of = random.choice(("[0]", "[last]", "[1]"))
            seen += [Attribute(each.ref.replace(".", f"{last_of}."), each.type) for each in attributes]
            return one + random.choice(counts)
        seen += attributes
        return one

    def _bare_step(self, name: str, seen: list[Attribute]) -> tuple[str, list[Attribute]]:
        stream, attributes = self._source()
        shown = f"{name}={stream}" if name else stream
        if self._random.random() < 0.6:
            # the step's own attributes go by their stream: in a pattern a bare name may be another step's
            own = attributes if self._random.random() < 0.5 or not seen else (*attributes, *seen)
            shown += f"[{condition(self._random, own, 1)}]"
        return shown, list(_qualified(attributes, name)) if name else []

    def _select(self, attributes: Attributes) -> list[Clause]:
        random = self._random
        grouped = [
            each for each in attributes_of(attributes, "string", "int") if "[" not in each.ref and each.ref[0].isalpha()
        ]
        group = random.sample(grouped, min(len(grouped), 1)) if random.random() < 0.4 else []
        existing = [(name, each) for name, each in self._targets().items() if name not in self._read]
        if existing and random.random() < 0.22:
            target, schema = random.choice(existing)
            items = [f"{self._item(attributes, each.type, bool(group))} as {each.ref}" for each in schema]
        else:
            schema, items = self._fresh_items(attributes, group)
            target = self._fresh_target(schema)
        # nothing feeds itself: what loops for ever ends in a fault at some depth, which is no matter of cuts
        for name in (target, *(each for each, causes in self._causes.items() if target in causes)):
            self._causes[name] = self._causes.get(name, frozenset()) | self._read
        clauses = [Clause(f"select {', '.join(items)}")]
        if group:
            clauses.append(Clause(f"group by {group[0].ref}", optional=True))
        if random.random() < 0.15:
            clauses.append(Clause(f"having {condition(random, schema, 1)}", optional=True))
        if random.random() < 0.12:
            order = f"order by {random.choice(schema).ref} {random.choice(('asc', 'desc'))}"
            clauses.append(Clause(order, optional=True))
        if random.random() < 0.1:
            clauses.append(Clause(f"limit {random.randint(1, 3)}", optional=True))
            if random.random() < 0.3:
                clauses.append(Clause("offset 1", optional=True))
        kind = random.choice(KINDS)
        if random.random() < 0.18:
            clauses.append(Clause(self._rate(), optional=True))
            kind = "" if "snapshot" in clauses[-1].text else kind
        return [*clauses, Clause(f"insert {kind} into {target}")]

    def _rate(self) -> str:
        every = self._random.choice(("2 events", "3 events", "500 milliseconds", "1 sec", "3 sec"))
        if self._random.random() < 0.25:
            return f"output snapshot every {self._random.choice(('500 milliseconds', '2 sec'))}"
        return f"output {self._random.choice(('', 'all', 'first', 'last'))} every {every}"

    def _item(self, attributes: Attributes, type_: str, is_grouped: bool) -> str:
        if self._random.random() < (0.6 if is_grouped else 0.25):
            shown, drawn = aggregate(self._random, attributes)
            if drawn == type_:
                return shown
        return expression(self._random, attributes, type_)

    def _fresh_items(self, attributes: Attributes, group: list[Attribute]) -> tuple[Attributes, list[str]]:
        random = self._random
        shown = [(each.ref, each.type) for each in group]
        are_aggregates = random.random() < (0.8 if group else 0.35)
        for _ in range(random.randint(1, 3)):
            if are_aggregates and random.random() < 0.7:
                shown.append(aggregate(random, attributes))
            else:
                type_ = random.choice(TYPES)
                shown.append((expression(random, attributes, type_), type_))
        schema = tuple(Attribute(f"c{place}", type_) for place, (_, type_) in enumerate(shown))
        return schema, [f"{text} as c{place}" for place, (text, _) in enumerate(shown)]

    def _targets(self) -> dict[str, Attributes]:
        """Streams with a schema that more queries may fill: outputs, and those behind all base streams read so far."""
        return {
            **self.outputs,
            **{name: ITEM for name in self.windows if self._random.random() < 0.3},
            **({"In3": ITEM} if "In3" in self.base and self._random.random() < 0.1 else {}),
        }

    def _fresh_target(self, schema: Attributes) -> str:
        self._names += 1
        if self.inner is not None and self._random.random() < 0.35:
            self.inner[f"#X{self._names}"] = schema
            return f"#X{self._names}"
        name = f"Out{self._names}"
        self.outputs[name] = self.known[name] = schema
        return name

    def _table_output(self, attributes: Attributes) -> list[Clause]:
        random = self._random
        table = random.choice(self.tables)
        items = [f"{expression(random, attributes, each.type, 1)} as {each.ref}" for each in ITEM]
        select = Clause(f"select {', '.join(items)}")
        on = random.choice(
            (
                f"on {table}.k == k",
                f"on {table}.k == k",
                f"on {table}.k == k and {table}.n <= n",
                f"on {table}.n == n",
                f"on {table}.d > d",
            )
        )
        sets = random.choice(
            (
                "",
                f"set {table}.n = n",
                f"set {table}.d = d, {table}.n = n",
                f"set {table}.d = {table}.d + d",
                f"set {table}.n = {table}.n + 1",
            )
        )
        drawn = random.random()
        if drawn < 0.3:
            return [select, Clause(f"insert into {table}")]
        if drawn < 0.5:
            return [select, Clause(f"delete {table} {on}")]
        if drawn < 0.75:
            return [select, Clause(f"update {table}"), Clause(sets), Clause(on)]
        return [select, Clause(f"update or insert into {table}"), Clause(sets), Clause(on)]


def _schema(attributes: Attributes) -> str:
    return "(" + ", ".join(f"{each.ref} {each.type}" for each in attributes) + ")"


def _qualified(attributes: Attributes, alias: str) -> Attributes:
    return tuple(Attribute(f"{alias}.{each.ref}", each.type) for each in attributes)


def draw_plan(random: Random) -> PlanText:
    """A random plan; now and then one that the language refuses."""
    return PlanDrawing(random).plan()
