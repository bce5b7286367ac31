import pytest

from eiha.errors import PlanSemanticError, UnsupportedConstruct
from eiha.plan.bind import bind
from eiha.plan.expressions import AttributeRef, OutputRef
from eiha.plan.nodes import Filter, OutputEvents, Plan, StreamFunction, StreamInput, Window
from eiha.siddhiql.parser import parse

STREAM = "define stream S (k string, n int, x double, ts long);\n"


def bound(text: str, name: str | None = None) -> Plan:
    return bind(parse(text), text, name=name)


def refusal(text: str) -> PlanSemanticError:
    with pytest.raises(PlanSemanticError) as caught:
        bound(text)
    return caught.value


def test_streams_are_defined_or_inferred_in_order_of_appearance() -> None:
    plan = bound(STREAM + "from S select n insert into B; from B select n + 1L as n insert into A;")
    assert [stream.name for stream in plan.streams] == ["S", "B", "A"]
    assert plan.defined == {"S"}
    assert str(plan.stream("A").schema) == "(n long)"


def test_queries_are_named_by_info_or_by_position() -> None:
    plan = bound(STREAM + "from S select n insert into A; @Info(Name='mine') from S select n insert into A;")
    assert [(query.name, query.named, query.position) for query in plan.queries] == [
        ("query1", False, 0),
        ("mine", True, 1),
    ]


def test_handlers_keep_their_order_and_see_what_those_before_them_added() -> None:
    plan = bound("define stream P (t double, r double); from P#pol2Cart(t, r)[x > 0.0]#window.length(2) insert into O;")
    source = plan.queries[0].input
    assert isinstance(source, StreamInput)
    assert [type(handler) for handler in source.handlers] == [StreamFunction, Filter, Window]
    assert source.schema.names == ("t", "r", "x", "y")
    assert plan.stream("O").schema == source.schema


def test_select_star_and_no_select_put_everything_out() -> None:
    plan = bound(STREAM + "from S select * insert into A; from S insert into B;")
    assert plan.stream("A").schema == plan.stream("B").schema == plan.stream("S").schema


def test_the_streams_own_name_may_stand_before_an_attribute() -> None:
    plan = bound(STREAM + "from S[S.n > 1] select S.k, S.n as m group by S.k insert into O;")
    assert plan.stream("O").schema.names == ("k", "m")
    assert plan.queries[0].selector.group_by[0] == AttributeRef(
        0, 0, "k", plan.stream("S").schema.attributes[0].type, span=plan.queries[0].selector.group_by[0].span
    )


def test_having_and_order_by_read_the_output_alone() -> None:
    plan = bound(STREAM + "from S select n * 2 as m having m > 4 order by m desc limit 3 offset 1 insert into O;")
    selector = plan.queries[0].selector
    assert isinstance(selector.order_by[0].column, OutputRef)
    assert selector.order_by[0].descending
    assert (selector.limit, selector.offset) == (3, 1)
    for clause in ("having n > 4", "having S.n > 4", "order by n", "having m + 1", "limit -1", "offset -1"):
        refusal(STREAM + f"from S select n * 2 as m {clause} insert into O;")


@pytest.mark.parametrize(
    ("words", "events"),
    [
        ("", OutputEvents.CURRENT),
        ("events", OutputEvents.CURRENT),
        ("current events", OutputEvents.CURRENT),
        ("expired events", OutputEvents.EXPIRED),
        ("all events", OutputEvents.ALL),
    ],
)
def test_the_output_says_which_events_go_on(words: str, events: OutputEvents) -> None:
    assert bound(STREAM + f"from S insert {words} into O;").queries[0].output.events is events


@pytest.mark.parametrize(
    "text",
    [
        "from T select n insert into O;",
        "from s select n insert into O;",
        "from M select n insert into O; from S select n insert into M;",
        "from #S select n insert into O;",
        "from !S select n insert into O;",
        "from S select n insert into #O;",
        "from S select m insert into O;",
        "from S select n, n insert into O;",
        "from S select n as x, k as x insert into O;",
        "from S select n as m, m as o insert into O;",
        "from S[n] select n insert into O;",
        "from S['yes'] select n insert into O;",
        "from S select n insert into O; from S select x as n insert into O;",
        "from S select n insert into O; from S select n as m insert into O;",
        "from S select n, k insert into S;",
        "from S select sum(n) as s group by s insert into O;",
        "from S#nofn(n) select n insert into O;",
        "from S#length(2) select n insert into O;",
        "from S#log(n) select n insert into O;",
        "from S#log('LOUD', 'x') select n insert into O;",
        "from S#pol2Cart(n, x) select n insert into O;",
        "from S#pol2Cart(x, x) select n insert into O;",
        "from S#window.nowin(2) select n insert into O;",
        "from S select n return;",
        "from (from S select n return) select n insert into O;",
        "from S select n output every 0 sec insert into O;",
        "from S select n output snapshot every 1 sec insert current events into O;",
        "from S select n output snapshot every 1 sec insert expired events into O;",
        "from !S select n insert into O;",
        "define window W (a int) nowin(2);",
        "define window W (a int) length('x');",
        "define window W (a int) length(2); define window W (a int) length(2);",
        "define window W (a int) length(2); from W#window.length(2) select a insert into O;",
        "define window W (a int) length(2); from S select k insert into W;",
        "define window W (a int) length(2); from S delete W on W.a == n;",
        "define trigger S at every 1 sec;",
        "define trigger T at every 1 sec; define trigger T at every 1 sec;",
        "@OnError(action='RETRY') define stream F (a int);",
        "@OnError define stream F (a int);",
        "@info(name='q') @info(name='r') from S select n insert into O;",
        "@info(name='q') from S select n insert into O; @info(name='q') from S select n insert into P;",
    ],
)
def test_what_siddhi_refuses_is_refused_at_its_place(text: str) -> None:
    error = refusal(STREAM + text)
    assert not isinstance(error, UnsupportedConstruct)
    assert error.line == 2


def test_what_is_inserted_into_a_fault_stream_goes_to_its_stream() -> None:
    assert bound(STREAM + "from S select n insert into !O;").queries[0].output.target == "O"
    assert "S" in str(refusal(STREAM + "from S select n as other insert into !S;"))


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("define function f[javascript] return int { return 1; };", "function.javascript"),
        ("from e1=S[sum(n) > 2] -> e2=S select e1.n insert into O;", "aggregator.inFilter"),
        ("from e1=S#log() -> e2=S select e1.n insert into O;", "pattern.streamFunction"),
    ],
)
def test_what_is_not_run_yet_is_named(text: str, construct: str) -> None:
    error = refusal(STREAM + text)
    assert isinstance(error, UnsupportedConstruct)
    assert error.construct == construct


@pytest.mark.parametrize(
    "window",
    [
        "length(0)",
        "length(-1)",
        "lengthBatch(3)",
        "lengthBatch(3, true)",
        "time(5 sec)",
        "time(-5)",
        "time(200L)",
        "timeBatch(1 sec)",
        "timeBatch(1 sec, 0)",
        "timeBatch(1 sec, true)",
        "timeBatch(1 sec, 5L, false)",
        "externalTime(ts, 100)",
        "externalTime(S.ts, 1 min)",
    ],
)
def test_windows_take_what_siddhis_take(window: str) -> None:
    bound(STREAM + f"from S#window.{window} select n insert into O;")


@pytest.mark.parametrize(
    "window",
    [
        "length()",
        "length(2L)",
        "length(2 sec)",
        "length('2')",
        "length(n)",
        "length(1 + 1)",
        "length(2, 3)",
        "lengthBatch(3, 1)",
        "time()",
        "time(1.5)",
        "time('1 sec')",
        "time(n)",
        "timeBatch(0)",
        "timeBatch(400, 'x')",
        "timeBatch(400, n)",
        "externalTime(n, 100)",
        "externalTime(100L, 100)",
        "externalTime(eventTimestamp(), 300)",
        "externalTime(ts, '1')",
        "externalTime(ts)",
        "length(*)",
    ],
)
def test_windows_refuse_what_siddhis_refuse_and_name_the_valid_forms(window: str) -> None:
    error = refusal(STREAM + f"from S#window.{window} select n insert into O;")
    assert not isinstance(error, UnsupportedConstruct)
    assert "valid: " in error.message or "one by one" in error.message


def test_an_unknown_script_language_is_refused() -> None:
    error = refusal("define function f[cobol] return int { return 1; };")
    assert not isinstance(error, UnsupportedConstruct)


def test_equal_definitions_may_be_repeated_and_different_ones_may_not() -> None:
    bound("define stream S (a int); define stream S (a int); from S insert into O;")
    error = refusal("define stream S (a int);\ndefine stream S (a long);")
    assert error.line == 2
    assert "line 1" in error.message
    assert not isinstance(refusal("define stream S (a int); define table S (a int);"), UnsupportedConstruct)


def test_final_streams_are_published_unless_some_are_marked() -> None:
    queries = "from S select n insert into M; from M select n insert into O; from S select k insert into L;"
    assert bound(STREAM + queries).published_streams == ("O", "L")
    marked = "@sink(type='store') define stream M (n int);\n"
    assert bound(marked + STREAM + queries).published_streams == ("M",)


def test_the_name_under_which_a_plan_is_deployed_wins_over_its_text() -> None:
    text = "@app:name('Inside') " + STREAM + "from S insert into O;"
    assert bound(text).name == "Inside"
    assert bound(text, "outside").name == "outside"
    assert any("'Inside'" in warning for warning in bound(text, "outside").warnings)
    assert bound(STREAM).name == "plan"


def test_a_named_window_runs_as_a_query_between_its_entry_and_its_readers() -> None:
    plan = bound(
        STREAM + "define window W (n int) length(2); from S select n insert into W; "
        "from W select sum(n) as s insert into O;"
    )
    window, filling, reading = plan.queries
    assert (window.input.stream, window.output.target) == (">W", "W")
    assert filling.output.target == ">W"
    assert (filling.name, reading.name) == ("query1", "query2")


def test_what_never_puts_anything_out_is_a_warning() -> None:
    plan = bound(STREAM + "from S select n output every 0 events insert into O;")
    assert plan.warnings == ("line 2: output every 0 events never puts anything out",)
