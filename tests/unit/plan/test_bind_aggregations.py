import pytest

from eiha.errors import PlanSemanticError, PlanSyntaxError
from eiha.plan.bind import bind
from eiha.plan.granularities import Granularity
from eiha.plan.nodes import Aggregation, Plan, RollUp
from eiha.plan.plan_text import plan_text
from eiha.siddhiql.parser import parse

STREAM = "define stream S (k string, n int, x float, flag bool, ts long, day string, o object);"


def bound(definition: str) -> Plan:
    text = f"{STREAM}\n{definition}"
    return bind(parse(text), text)


def aggregation(
    select: str, every: str = "sec...hour", by: str = "by ts ", notes: str = "", source: str = "S"
) -> Aggregation:
    plan = bound(f"{notes}\ndefine aggregation A from {source} select {select} aggregate {by}every {every};")
    [found] = plan.aggregations
    return found


def test_the_first_column_is_the_start_of_the_bucket_and_types_are_those_of_the_aggregators() -> None:
    select = "k as key, sum(n) as s, sum(x) as sx, avg(n) as a, min(x) as lo, count() as c, distinctCount(flag) as d, n"
    found = aggregation(f"{select} group by k")
    assert str(found.schema) == (
        "(AGG_TIMESTAMP long, key string, s long, sx double, a double, lo float, c long, d long, n int)"
    )
    assert [column.roll_up for column in found.columns] == [
        RollUp.KEY,
        RollUp.SUM,
        RollUp.SUM,
        RollUp.AVERAGE,
        RollUp.MINIMUM,
        RollUp.COUNT,
        RollUp.DISTINCT_COUNT,
        RollUp.LATEST,
    ]


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("sec...year", tuple(Granularity)),
        ("min...hour", (Granularity.MINUTE, Granularity.HOUR)),
        ("day", (Granularity.DAY,)),
        ("hour, sec", (Granularity.SECOND, Granularity.HOUR)),
        ("min, sec, min", (Granularity.SECOND, Granularity.MINUTE)),
        ("days...months", (Granularity.DAY, Granularity.MONTH)),
    ],
)
def test_granularities_are_a_range_or_a_list(every: str, expected: tuple[Granularity, ...]) -> None:
    assert aggregation("sum(n) as s", every).granularities == expected


def test_the_time_may_be_a_long_a_string_or_that_of_arrival() -> None:
    assert aggregation("n").by is not None
    assert aggregation("n", by="by day ").by is not None
    assert aggregation("n", by="").by is None


def test_a_source_may_be_defined_later_and_have_filters() -> None:
    text = f"define aggregation A from S[n > 2] select sum(n) as s aggregate every sec; {STREAM}"
    [found] = bind(parse(text), text).aggregations
    assert len(found.input.handlers) == 1


@pytest.mark.parametrize(
    ("select", "problem"),
    [
        ("sum(n * 2) as s", "takes an attribute"),
        ("sum(n) + 1 as s", "stands alone"),
        ("stdDev(n) as s", "cannot be rolled up"),
        ("minForever(n) as s", "cannot be rolled up"),
        ("sum(k) as s", "sum takes int, long, float, double"),
        ("sum() as s", "takes one attribute"),
        ("n, n", "selected already"),
        ("n as AGG_TIMESTAMP", "selected already"),
        ("nosuch", "no attribute 'nosuch'"),
        ("sum(n) as s group by nosuch", "no attribute 'nosuch'"),
        ("sum(n) as s having s > 2", "having cannot stand"),
        ("sum(n) as s order by s", "order by cannot stand"),
    ],
)
def test_what_cannot_be_rolled_up_is_refused(select: str, problem: str) -> None:
    with pytest.raises((PlanSemanticError, PlanSyntaxError), match=problem):
        aggregation(select)


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ("define aggregation A from S select n aggregate by ts every year...sec;", "fine to coarse: second...year"),
        ("define aggregation A from S select n aggregate by ts every week;", "no buckets of a week"),
        ("define aggregation A from S select n aggregate by n every sec;", "takes a long"),
        ("define aggregation A from Nosuch select n aggregate by ts every sec;", "no stream 'Nosuch'"),
        ("define aggregation A from S#window.length(2) select n aggregate every sec;", "put the window into a query"),
        ("define aggregation A from S select n aggregate every sec; define stream A (a int);", "defined in line"),
        ("define aggregation S from S select n aggregate every sec;", "defined in line"),
        ("define aggregation A from S select n aggregate every sec; from S insert into A;", "'A' is an aggregation"),
        ("define aggregation A from S select n aggregate every sec; from A select n insert into T;", "'A'"),
        ("@PrimaryKey('k') define aggregation A from S select n aggregate every sec;", "have a key already"),
        ("@PartitionById define aggregation A from S select n aggregate every sec;", "leave the annotation out"),
    ],
)
def test_what_makes_no_aggregation_is_refused(definition: str, problem: str) -> None:
    with pytest.raises(PlanSemanticError, match=problem):
        bound(definition)


def test_buckets_are_kept_as_long_as_in_siddhi() -> None:
    minute, hour, day = 60_000, 3_600_000, 86_400_000
    found = aggregation("n", "sec...year")
    assert found.retention_ms == (2 * minute, 24 * hour, 30 * day, 365 * day, None, None)
    assert found.purge_interval_ms == 15 * minute


def test_purge_and_retention_can_be_set() -> None:
    notes = "@purge(enable='TRUE', interval='10 sec', @retentionPeriod(sec='5 min', hours='all', day='1 month 2 days'))"
    found = aggregation("n", "sec, hour, day", notes=notes)
    assert found.retention_ms == (300_000, None, 32 * 86_400_000)
    assert found.purge_interval_ms == 10_000
    assert aggregation("n", notes="@purge(enable='false', @retentionPeriod(sec='1 sec'))").purge_interval_ms is None


@pytest.mark.parametrize(
    ("note", "problem"),
    [
        ("@purge(enable='maybe')", "enable is 'true' or 'false'"),
        ("@purge(interval='soon')", "interval is a time"),
        ("@purge(interval='10')", "interval is a time"),
        ("@purge(@retentionPeriod(sec='5 sec'))", "at least 2 min"),
        ("@purge(@retentionPeriod(min='119 min'))", "at least 120 min"),
        ("@purge(@retentionPeriod(hour='24 hours'))", "at least 1500 min"),
        ("@purge(@retentionPeriod(sec='often'))", "a retention is a time"),
        ("@purge(@retentionPeriod(week='1 week'))", "no buckets of 'week'"),
        ("@purge(@retentionPeriod(day='40 days'))", "no buckets of 'day'"),
    ],
)
def test_a_retention_that_cannot_be_is_refused(note: str, problem: str) -> None:
    with pytest.raises(PlanSemanticError, match=problem):
        aggregation("n", notes=note)


def test_annotations_without_effect_are_warnings() -> None:
    notes = "@Config(timezone='Asia/Kolkata') @store(type='rdbms') @PartitionById(enable='false') @purge(foo='1')"
    plan = bound(f"{notes} define aggregation A from S select n aggregate by ts every sec;")
    assert plan.warnings == (
        "@Config on aggregation 'A' has no effect",
        "@store on aggregation 'A' has no effect",
        "@PartitionById on aggregation 'A' has no effect",
        "@purge: foo has no effect",
    )


def test_a_stream_that_only_an_aggregation_reads_is_no_output() -> None:
    plan = bound(
        "define stream T (n int); define aggregation A from T select n aggregate every sec; "
        "from S select n insert into T;"
    )
    assert plan.published_streams == ()


def test_the_text_of_a_plan_tells_aggregations_apart() -> None:
    first = "define aggregation A from S[n > 2] select k, sum(n) as s group by k aggregate by ts every sec...min;"
    texts = {plan_text(bound(text)) for text in (first, first.replace("> 2", "> 3"), first.replace("min;", "hour;"))}
    assert len(texts) == 3
    assert "  sum($0.n) as s (long)\n" in plan_text(bound(first))


JOIN = (
    "define stream Ask (w string, t1 long, t2 long, i int, p string); "
    "define aggregation A from S select k, sum(n) as s group by k aggregate by ts every sec, hour; "
    "from Ask join A on A.k == Ask.w {} select A.s as s insert into Out;"
)


@pytest.mark.parametrize(
    "clauses",
    [
        "within '2020-**-** **:**:**' per 'hours'",
        "within Ask.t1, Ask.t2 per Ask.p",
        "within Ask.w per 'SEC'",
        "within 1L, '2020-09-13 12:26:40' per 'second'",
    ],
)
def test_buckets_are_asked_for_by_constants_and_by_the_row_that_asks(clauses: str) -> None:
    bound(JOIN.format(clauses))


@pytest.mark.parametrize(
    ("clauses", "problem"),
    [
        ("", "which of its buckets are meant"),
        ("within 'yesterday' per 'sec'", "no span of time"),
        ("within 1L per 'sec'", "takes a string"),
        ("within 1, 2 per 'sec'", "write 1L"),
        ("within Ask.i, 2L per 'sec'", "not int"),
        ("within 2L, 2L per 'sec'", "must be later"),
        ("within '2020-**-** **:**:**' per 'week'", "no buckets of 'week'"),
        ("within '2020-**-** **:**:**' per ' sec '", "no buckets of ' sec '"),
        ("within '2020-**-** **:**:**' per 'min'", "has no buckets of minutes; it has seconds, hours"),
        ("within '2020-**-** **:**:**' per 5", "per takes a string"),
    ],
)
def test_buckets_that_there_are_not_are_refused(clauses: str, problem: str) -> None:
    with pytest.raises(PlanSemanticError, match=problem):
        bound(JOIN.format(clauses))
