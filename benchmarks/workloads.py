"""The queries of the engine benchmark: plans as people write them, over generated trades."""

from __future__ import annotations

from dataclasses import dataclass

TRADES = "define stream S (symbol string, price float, volume int);\n"
BOTH = TRADES + "define stream R (symbol string, price float, volume int);\n"
TIMED = "define stream S (symbol string, price float, volume int, ts long);\n"
TRADES_SPEC = "sym(100);float(0,1000);int(1,1000)"
KEYS_10K = "sym(10000);float(0,1000);int(1,1000)"
KEYS_100K = "sym(100000);float(0,1000);int(1,1000)"
TABLE = "@PrimaryKey('symbol') define table T (symbol string, price float, volume int);\n"


@dataclass(frozen=True, slots=True)
class Workload:
    """One query of the table.

    ``streams``: get the batches in turn. ``dt_ms`` None: live clock; else event time advances by that much an event.
    ``events`` a round. ``question``: asked when all is sent, its rows count as output (where there is no stream).
    ``has_peer``: Siddhi 5.1.7 has in its core what the query uses.
    """

    name: str
    app: str
    spec: str = TRADES_SPEC
    streams: str = "S"
    events: int = 500_000
    dt_ms: float | None = None
    question: str = ""
    has_peer: bool = True


def _sixteen() -> str:
    queries = (
        f"from S[volume > {60 * number}] select symbol, price * {number + 1} as p insert into Out{number};\n"
        for number in range(16)
    )
    return TRADES + "".join(queries)


WORKLOADS = (
    Workload("passthrough", TRADES + "from S select symbol, price, volume insert into Out;"),
    Workload("filter 50 %", TRADES + "from S[price > 500] select symbol, price, volume insert into Out;"),
    Workload(
        "three arithmetic projections",
        TRADES + "from S select symbol, price * 2 as a, price + volume as b, volume % 7 as c insert into Out;",
    ),
    Workload(
        "length(1000) avg by symbol",
        TRADES + "from S#window.length(1000) select symbol, avg(price) as average group by symbol insert into Out;",
    ),
    Workload(
        "time(1 min) sum by symbol, nothing expires",
        TRADES + "from S#window.time(1 min) select symbol, sum(price) as total group by symbol insert into Out;",
    ),
    Workload(
        "time(1 min) sum by symbol, steady",
        TRADES + "from S#window.time(1 min) select symbol, sum(price) as total group by symbol insert into Out;",
        dt_ms=1.0,
    ),
    Workload(
        "lengthBatch(1000) sum by symbol",
        TRADES + "from S#window.lengthBatch(1000) select symbol, sum(price) as total group by symbol insert into Out;",
    ),
    Workload(
        "externalTimeBatch(1 sec) sum by symbol",
        TIMED + "from S#window.externalTimeBatch(ts, 1 sec) select symbol, sum(price) as total group by symbol"
        " insert into Out;",
        spec=TRADES_SPEC + ";ts",
        dt_ms=1.0,
    ),
    Workload(
        "sort(100) by price",
        TRADES + "from S#window.sort(100, price, 'desc') select symbol, price insert all events into Out;",
        events=200_000,
    ),
    Workload(
        "pattern, rising price within 10 sec",
        TRADES + "from every e1=S[price > 990] -> e2=S[symbol == e1.symbol and price > e1.price] within 10 sec"
        " select e1.symbol as symbol, e1.price as p1, e2.price as p2 insert into Out;",
        events=200_000,
        dt_ms=1.0,
    ),
    Workload(
        "sequence of two",
        TRADES + "from every e1=S[price > 500], e2=S[price > e1.price]"
        " select e1.symbol as s1, e2.symbol as s2, e2.price as price insert into Out;",
        events=200_000,
    ),
    Workload(
        "join of length(100) windows on symbol",
        BOTH + "from S#window.length(100) as a join R#window.length(100) as b on a.symbol == b.symbol"
        " select a.symbol as symbol, a.price as p1, b.price as p2 insert into Out;",
        streams="S,R",
        events=200_000,
    ),
    Workload(
        "join of length(1000) windows on symbol",
        BOTH + "from S#window.length(1000) as a join R#window.length(1000) as b on a.symbol == b.symbol"
        " select a.symbol as symbol, a.price as p1, b.price as p2 insert into Out;",
        streams="S,R",
        events=50_000,
    ),
    Workload(
        "partition by symbol, length(100) avg",
        TRADES + "partition with (symbol of S) begin from S#window.length(100)"
        " select symbol, avg(price) as average insert into Out; end;",
    ),
    Workload(
        "partition, 100,000 keys",
        TRADES + "partition with (symbol of S) begin from S#window.length(100)"
        " select symbol, avg(price) as average insert into Out; end;",
        spec=KEYS_100K,
        events=200_000,
    ),
    Workload(
        "length(1000) avg by 100,000 keys",
        TRADES + "from S#window.length(1000) select symbol, avg(price) as average group by symbol insert into Out;",
        spec=KEYS_100K,
    ),
    Workload(
        "table upsert by key, 10,000 keys",
        TRADES + TABLE + "from S select symbol, price, volume update or insert into T on T.symbol == symbol;",
        spec=KEYS_10K,
        question="from T select symbol, price, volume",
    ),
    Workload(
        "upsert and stream-table join by key, 10,000 keys",
        BOTH + TABLE + "from S select symbol, price, volume update or insert into T on T.symbol == symbol;\n"
        "from R join T on R.symbol == T.symbol select R.symbol as symbol, R.price as p, T.price as q insert into Out;",
        spec=KEYS_10K,
        streams="S,R",
    ),
    Workload(
        "aggregation sec...hour by symbol",
        TRADES + "define aggregation A from S select symbol, sum(price) as total, count() as n group by symbol"
        " aggregate every sec...hour;",
        dt_ms=1.0,
        question="from A within 0L, 4000000000000L per 'hours' select symbol, total, n",
    ),
    Workload("16 queries on one stream", _sixteen(), events=200_000),
)
