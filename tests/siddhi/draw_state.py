"""Random joins, patterns, partitions, tables, named windows and aggregations: plans with more than one moving part."""

from __future__ import annotations

from random import Random

from tests.fuzz.draw_expressions import Attribute
from tests.fuzz.plan_text import Block, Clause, PlanText, Statement
from tests.siddhi.draw_expressions import condition, expression
from tests.siddhi.draw_plans import ITEM, TIMES, Attributes, PlanDrawing, qualified, schema
from tests.siddhi.draw_windows import window

JOINED = ("length", "time", "timeLength", "lengthBatch", "timeBatch", "batch", "sort", "externalTime", "length", "time")
NAMED = (
    "length",
    "time",
    "timeLength",
    "lengthBatch",
    "timeBatch",
    "batch",
    "externalTime",
    "externalTimeBatch",
    "sort",
)


class WholeDrawing(PlanDrawing):
    """One plan in the making, of any family."""

    def plan(self) -> PlanText:
        name = self.family
        draw = getattr(self, name + "_" if name in ("filter", "window", "rate", "in") else name)
        draw()
        while self.random.random() < 0.25 and self.outputs:
            name = self.random.choice(self.outputs)
            attributes = self.known[name]
            windowed = [self.window(attributes)] if self.random.random() < 0.5 else []
            self.add(Clause(f"from {name}"), self.filter(attributes, 0.3), *windowed, *self.select(attributes))
        return PlanText(self.playback, tuple(self.definitions), tuple(self.blocks), tuple(self.questions))

    # --- joins --------------------------------------------------------------------------------------------------

    def _side(self, alias: str) -> tuple[str, Attributes]:
        name, attributes = self.source(*self.base)
        shown = self.filter(attributes, 0.25).text
        if shown or self.random.random() < 0.85:
            shown += f"#window.{window(self.random, attributes, JOINED, live=False)}"
        return f"{name}{shown} as {alias}", qualified(attributes, alias)

    def _on(self, left: Attributes, right: Attributes) -> Clause:
        random = self.random
        pairs = [(x, y) for x in left for y in right if x.type == y.type and x.type != "bool"]
        keyed = [pair for pair in pairs if pair[0].type == "string"]
        parts = []
        if random.random() < 0.85:
            x, y = random.choice(keyed if random.random() < 0.7 else pairs)
            parts.append(f"{x.ref} == {y.ref}")
        if random.random() < 0.35:
            parts.append(condition(random, (*left, *right), 1))
        return Clause(f"on {' and '.join(parts)}" if parts else "", optional=True)

    def join(self) -> None:
        random = self.random
        (left, mine), (right, other) = self._side("a"), self._side("b")
        kind = random.choice(("join", "join", "left outer join", "right outer join", "full outer join"))
        first, second = random.choice((("", ""), ("", ""), ("", ""), (" unidirectional", ""), ("", " unidirectional")))
        head = Clause(f"from {left}{first} {kind} {right}{second}")
        self.add(head, self._on(mine, other), *self.select((*mine, *other), rate=0.1))

    def join_table(self) -> None:
        self._table()
        self._fill("T")
        left, mine = self._side("a")
        kind = self.random.choice(("join", "left outer join"))
        other = qualified(ITEM, "b")
        if self.random.random() < 0.3:
            kind = kind.replace("left", "right")
            self.add(Clause(f"from T as b {kind} {left}"), self._on(mine, other), *self.select((*mine, *other)))
            return
        self.add(Clause(f"from {left} {kind} T as b"), self._on(mine, other), *self.select((*mine, *other)))

    # --- patterns -----------------------------------------------------------------------------------------------

    def _step(self, name: str, seen: Attributes) -> tuple[str, Attributes]:
        stream, attributes = self.source(*self.base)
        shown = f"{name}={stream}" if name else stream
        if self.random.random() < 0.65:
            own = (*attributes, *seen) if seen and self.random.random() < 0.4 else attributes
            shown += f"[{condition(self.random, own, 1)}]"
        return shown, qualified(attributes, name) if name else ()

    def _counted(self, attributes: Attributes) -> Attributes:
        place = self.random.choice(("[0]", "[last]", "[1]", "[last - 1]"))
        return tuple(Attribute(each.ref.replace(".", f"{place}.", 1), each.type) for each in attributes)

    def _follow(self, *, counts: float, logical: float, absent: float, sequence: bool = False) -> None:
        random = self.random
        seen: Attributes = ()
        steps: list[str] = []
        total = random.randint(2, 3)
        for number in range(1, total + 1):
            is_last = number == total
            one, attributes = self._step(f"e{number}", seen)
            drawn = random.random()
            if drawn < counts:
                signs = ("*", "+", "?") if sequence else ("<1:3>", "<2>", "<1:>", "<2:3>", "<2:4>", "<0:2>")
                signs = signs if sequence or not is_last else signs[:-1]  # a last <0:2> puts out another partial match
                if not (sequence and is_last):
                    one += random.choice(signs)
                    attributes = self._counted(attributes)
            elif drawn < counts + logical:
                other, more = self._step(f"f{number}", seen)
                one = f"{one} {random.choice(('and', 'or'))} {other}"
                attributes = (*attributes, *more)
            elif drawn < counts + logical + absent and (number > 1 or not self.playback):
                gone, _ = self._step("", seen)
                time = f" for {random.choice(TIMES)}"
                if random.random() < 0.6 and (not is_last or seen):
                    one, attributes = f"not {gone}{time}", ()
                else:
                    one = f"not {gone}{random.choice(('', time))} and {one}"
            steps.append(one)
            seen = (*seen, *attributes)
        every = "every " if random.random() < 0.8 else ""
        body = (", " if sequence else " -> ").join(steps)
        if every and not sequence and random.random() < 0.2:
            body = f"({body})"
        within = Clause(f"within {random.choice(TIMES)}" if random.random() < 0.4 else "", optional=True)
        self._states = [Clause(f"from {every}{body}"), within]
        self._seen = seen or (Attribute("1", "int"),)

    def _matches(self) -> None:
        self.add(*self._states, *self.select(self._seen, rate=0.05, group=0.2))

    def pattern(self) -> None:
        self._follow(counts=0.0, logical=0.0, absent=0.0)
        self._matches()

    def count(self) -> None:
        self._follow(counts=0.6, logical=0.0, absent=0.0)
        self._matches()

    def logical(self) -> None:
        self._follow(counts=0.0, logical=0.6, absent=0.0)
        self._matches()

    def absent(self) -> None:
        self._follow(counts=0.0, logical=0.1, absent=0.6)
        self._matches()

    def sequence(self) -> None:
        self._follow(counts=0.4, logical=0.15, absent=0.0, sequence=True)
        self._matches()

    # --- partitions ---------------------------------------------------------------------------------------------

    def _keys(self) -> str:
        random, found = self.random, []
        for name in self.base:
            one = random.choice(("k", "k", "n"))
            if random.random() < 0.2:
                one = random.choice(
                    ("n < 4 as 'low' or n >= 4 as 'high'", "n > 1 as 'some'", "n < 5 as 'a' or n > 2 as 'b'")
                )
            found.append(f"{one} of {name}")
        return f"partition with ({', '.join(found)})"

    def _within_keys(self, *statements: Statement) -> None:
        self.calls = False
        self.blocks.append(Block(statements, self._keys()))

    def partition(self) -> None:
        statements = []
        kinds: tuple[str, ...] = ("length", "lengthBatch", "batch", "sort", "externalTime")
        if not self.playback:  # there one move of the clock fires the timer of one key only
            kinds = (*kinds, "time", "timeLength", "session", "delay")
        for _ in range(self.random.choice((1, 1, 2))):
            name, attributes = self.source(*self.base)
            windowed = [self.window(attributes, *kinds)] if self.random.random() < 0.6 else []
            head = Clause(f"from {name}")
            statements.append(
                self.query(head, self.filter(attributes, 0.3), *windowed, *self.select(attributes, rate=0.1))
            )
        self._within_keys(*statements)

    def partition_inner(self) -> None:
        name, attributes = self.source(*self.base)
        first = self.query(Clause(f"from {name}"), *self.select(attributes, target="#X", rate=0.05))
        shown = self.shown
        second = self.query(Clause("from #X"), self.window(shown, "length", "lengthBatch"), *self.select(shown))
        self._within_keys(first, second)

    def partition_pattern(self) -> None:
        self._follow(counts=0.3, logical=0.2, absent=0.0, sequence=self.random.random() < 0.3)
        self._within_keys(self.query(*self._states, *self.select(self._seen, group=0.0)))

    # --- tables -------------------------------------------------------------------------------------------------

    def _table(self, *marks: str) -> None:
        mark = self.random.choice(marks or ("", "", "@PrimaryKey('k') ", "@PrimaryKey('k', 'n') ", "@Index('n') "))
        self.any_order = bool(mark)
        self.nulls = self.nulls and not mark  # a null key is found there, and no row with a null is stored in an index
        self.definitions.append(f"{mark}define table T {schema(ITEM)};")
        self._is_keyed = bool(mark)

    def _fill(self, target: str) -> None:
        name, attributes = self.source(*self.base)
        self.add(
            Clause(f"from {name}"),
            self.filter(attributes, 0.3),
            Clause(
                f"select k, n, {self.random.choice(('d', 'd', expression(self.random, attributes, 'double', 1)))} as d"
            ),
            Clause(f"insert into {target}"),
        )

    def _change(self, kinds: tuple[str, ...]) -> None:
        random = self.random
        name, attributes = self.source(*self.base)
        sets = ["set T.d = d"]
        if not self._is_keyed:  # a key that is changed to another row's is then there twice
            sets += ["set T.n = n", "set T.d = d, T.n = n", "set T.n = T.n + 1", "set T.d = T.d + d", ""]
        on = random.choice(
            ("T.k == k", "T.k == k", "T.k == k and T.n <= n", "T.n == n", "T.d > d", "T.n > n and T.k != k")
        )
        head = (Clause(f"from {name}"), self.filter(attributes, 0.3), Clause("select k, n, d"))
        match random.choice(kinds):
            case "delete":
                self.add(*head, Clause(f"delete T on {on}"))
            case "update":
                self.add(*head, Clause(f"update T {random.choice(sets)} on {on}"))
            case "upsert":
                self.add(*head, Clause(f"update or insert into T {random.choice(sets)} on {on}"))
            case _:
                self.add(*head, Clause("insert into T"))

    def table(self) -> None:
        self._table("", "", "", "@PrimaryKey('k', 'n') ")
        self._fill("T")
        for _ in range(self.random.randint(1, 3)):
            self._change(("update", "insert"))
        self.questions.append("from T select k, n, d")
        if self.random.random() < 0.4:
            self.in_condition()

    def upsert(self) -> None:
        self._table("")
        for _ in range(self.random.randint(1, 3)):
            self._change(("upsert", "upsert", "update"))
        self.questions.append("from T select k, n, d")

    def in_condition(self) -> None:
        name, attributes = self.source(*self.base)
        on = self.random.choice(("T.k == k", "T.n == n", "T.n > n", "T.k == k and T.d < d", "T.k != k"))
        self.add(Clause(f"from {name}"), Clause(f"[({on}) in T]"), *self.select(attributes))

    def in_(self) -> None:
        self._table()
        self._fill("T")
        self.in_condition()

    # --- named windows, aggregations, questions -------------------------------------------------------------------

    def named_window(self) -> None:
        random = self.random
        kind = window(random, ITEM, NAMED, live=False)
        what = random.choice(("", "", " output all events", " output current events", " output expired events"))
        self.definitions.append(f"define window W {schema(ITEM)} {kind}{what};")
        self._fill("W")
        if random.random() < 0.7:
            self.add(Clause("from W"), self.filter(ITEM, 0.3), *self.select(ITEM, rate=0.1))
        if random.random() < 0.4:
            left, mine = self._side("a")
            if "#window" in left:
                other = qualified(ITEM, "b")
                join = random.choice(("join", "left outer join", "full outer join"))
                self.add(Clause(f"from {left} {join} W as b"), self._on(mine, other), *self.select((*mine, *other)))
        if random.random() < 0.4:
            self.questions.append("from W select k, n, d")

    def ondemand(self) -> None:
        random = self.random
        self._table("")
        self._fill("T")
        for _ in range(random.randint(1, 4)):
            tail = self.select(ITEM, having=0.25, order=0.3, limit=0.3, target="X")
            on = f" on {condition(random, qualified(ITEM, 'T'), 1)}" if random.random() < 0.4 else ""
            text = " ".join(each.text for each in tail[:-1])
            if random.random() < 0.75:
                self.questions.append(f"from T{on} {text}")
                continue
            self.questions.append(
                random.choice(
                    (
                        "select 'zz' as k, 5 as n, 1.5 as d insert into T",
                        "delete T on T.n > 1000",
                        "update T set T.d = 2.0 on T.n < 2",
                        "select 'a' as k, 4 as n, 9.0 as d update or insert into T set T.d = 9.0 on T.k == 'a'",
                    )
                )
            )
        self.questions.append("from T select k, n, d")

    def aggregation(self) -> None:
        random = self.random
        source = random.choice(list(self.base))
        by = " by ts" if source != "S3" and random.random() < 0.6 else ""
        columns = [
            "sum(d) as s",
            "count() as c",
            "avg(d) as a",
            "min(n) as lo",
            "max(d) as hi",
            "n as n",
            "sum(n) as sn",
        ]
        chosen = random.sample(columns, random.randint(1, 4))
        head, group = ("k, ", " group by k") if random.random() < 0.7 else ("", "")
        spans = random.choice(("sec...hour", "sec...year", "sec, min", "min...day"))
        self.definitions.append(
            f"define aggregation A from {source} select {head}{', '.join(chosen)}{group} aggregate{by} every {spans};"
        )
        self.any_order = True
        shown = ", ".join([*(["k"] if group else []), *(each.split(" as ")[1] for each in chosen)])
        for per in ("seconds", "minutes", "hours"):
            if (per == "seconds" and spans == "min...day") or (per == "hours" and spans == "sec, min"):
                continue
            within = random.choice(("'2022-**-** **:**:**'", "'2022-04-15 **:**:**'", "1650000000000L, 1650000900000L"))
            self.questions.append(f"from A within {within} per '{per}' select AGG_TIMESTAMP, {shown}")
        if random.random() < 0.3:
            name = random.choice(list(self.base))
            first = chosen[0].split(" as ")[1]
            self.add(
                Clause(f"from {name} as a join A as b"),
                Clause("on a.k == b.k" if group else "", optional=True),
                Clause("within '2022-**-** **:**:**' per 'minutes'"),
                Clause(
                    f"select a.n as n, b.AGG_TIMESTAMP as began, b.{first} as v insert into {self.target(ITEM[1:2])}"
                ),
            )
            self.outputs.pop()


def draw_plan(random: Random, family: str) -> tuple[PlanText, PlanDrawing]:
    """A random plan of ``family``, and what else is to be known of it."""
    drawing = WholeDrawing(random, family)
    return drawing.plan(), drawing
