import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eiha.errors import PlanError, PlanSyntaxError
from eiha.siddhiql.definition_tree import DefineFunction, DefineStream, DefineTrigger
from eiha.siddhiql.expression_tree import TimeLiteral
from eiha.siddhiql.parser import parse, parse_on_demand
from eiha.siddhiql.query_tree import (
    AnonymousStream,
    JoinKind,
    JoinStream,
    OutputRate,
    Query,
    StandardStream,
    UpdateTable,
)

STREAM = "define stream S (a int, b string);\n"


def only_query(text: str) -> Query:
    query = parse(STREAM + text).elements[0]
    assert isinstance(query, Query)
    return query


def refusal(text: str) -> PlanSyntaxError:
    with pytest.raises(PlanSyntaxError) as caught:
        parse(text)
    return caught.value


def test_every_node_carries_its_place() -> None:
    query = only_query("from S[a > 1]\nselect a insert into Out")
    assert (query.span.line, query.span.column) == (2, 0)
    assert isinstance(query.input, StandardStream)
    handler = query.input.handlers[0]
    assert (handler.span.line, handler.span.column) == (2, 6)
    assert query.selection is not None
    assert (query.selection.span.line, query.selection.span.column) == (3, 0)


def test_equality_of_trees_ignores_places_and_comments() -> None:
    assert parse("define stream S (a int);") == parse("/* x */ DEFINE   stream S\n(a INT) -- y")


def test_a_misspelt_keyword_is_shown_with_its_place_and_what_was_meant() -> None:
    error = refusal("define strem S (a int);")
    assert (error.line, error.column) == (1, 7)
    assert "did you mean 'stream'?" in error.message
    assert error.excerpt.splitlines()[1] == "    " + " " * 7 + "^" * 5


def test_an_early_end_is_shown_behind_the_last_word() -> None:
    error = refusal(STREAM + "from S select a\n\n-- nothing more\n")
    assert (error.line, error.column) == (2, 15)
    assert "the text ends here" in error.message
    assert "insert" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// no comment\ndefine stream S (a int);",
        "define stream S ();",
        "define stream S (a integer);",
        "define stream 1S (a int);",
        "define stream S (a int) define stream T (a int);",
        "define stream S (a int, a string);",
        "define function f[javascript] { return 1; };",
        "define trigger T at every 5;",
        "define window W (a int) length(2) output some events;",
        "@app:name() define stream S (a int);",
        "from S select a insert into Out;",
        STREAM + "from S select a, insert into Out;",
        STREAM + "from S select a + 1 insert into Out;",
        STREAM + "from S select (a) insert into Out;",
        STREAM + "from S as t select a insert into Out;",
        STREAM + "from S[] select a insert into Out;",
        STREAM + "from S[!a] select a insert into Out;",
        STREAM + "from S select a group by a % 2 insert into Out;",
        STREAM + "from S select a limit a insert into Out;",
        STREAM + "from S select a limit 'x' insert into Out;",
        STREAM + "from S select a output every 5 insert into Out;",
        STREAM + "from S select a output last 2 events insert into Out;",
        STREAM + "from S select a output snapshot every 2 events insert into Out;",
        STREAM + "from S select a output every 2 events group by a insert into Out;",
        STREAM + "from S select a;",
        STREAM + "from L#window.length(3)[v > 1] join R on L.k == R.k select L.k insert into Out;",
        STREAM + "from L unidirectional join R unidirectional on L.k == R.k select L.k insert into Out;",
        STREAM + "from S select a insert into Out; define stream T (a int);",
        STREAM + "from S select a insert into Out; @app:name('late') from S select a insert into Out;",
        STREAM + "partition with (a of S) begin end;",
        STREAM + "partition with (a of S) begin from S select a insert into Out;",
        STREAM + "partition by (a of S) begin from S select a insert into Out; end;",
        STREAM + "partition with (a of S) begin partition with (b of S) begin from S insert into O; end; end;",
    ],
)
def test_what_siddhi_refuses_is_refused(text: str) -> None:
    refusal(text)


def test_definitions_keep_what_they_say() -> None:
    text = (
        "define stream S (a int); define trigger T at every 5 sec; define trigger U at 'start';"
        'define function f[js] return int { return "}"; };'
    )
    stream, timed, started, function = parse(text).definitions
    assert isinstance(stream, DefineStream)
    assert isinstance(timed, DefineTrigger)
    assert isinstance(timed.at, TimeLiteral)
    assert isinstance(started, DefineTrigger)
    assert started.at == "start"
    assert isinstance(function, DefineFunction)
    assert function.body == ' return "}"; '


def test_keywords_may_name_streams_and_only_the_rest_of_the_query_tells() -> None:
    query = only_query("from window select output, first as select insert into snapshot")
    assert isinstance(query.input, StandardStream)
    assert query.input.source.name == "window"
    assert query.selection is not None
    assert [item.name for item in query.selection.attributes] == ["output", "select"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("join", JoinKind.INNER),
        ("inner join", JoinKind.INNER),
        ("left outer join", JoinKind.LEFT_OUTER),
        ("right outer join", JoinKind.RIGHT_OUTER),
        ("full outer join", JoinKind.FULL_OUTER),
        ("outer join", JoinKind.FULL_OUTER),
    ],
)
def test_joins_have_their_kind(words: str, kind: JoinKind) -> None:
    query = only_query(f"from S as l {words} T as r on l.a == r.a select l.a insert into Out")
    assert isinstance(query.input, JoinStream)
    assert query.input.kind is kind
    assert (query.input.left.alias, query.input.right.alias) == ("l", "r")


def test_a_query_may_stand_in_the_place_of_a_stream() -> None:
    query = only_query("from ((from S[a > 1] select a return expired events)) insert into Out")
    assert isinstance(query.input, AnonymousStream)


def test_rates_count_events_or_time() -> None:
    by_count, by_time = (
        only_query(f"from S output last every {every} insert into O").rate for every in ("5 events", "5 sec")
    )
    assert isinstance(by_count, OutputRate)
    assert by_count.every == 5
    assert isinstance(by_time, OutputRate)
    assert isinstance(by_time.every, TimeLiteral)


def test_update_or_insert_is_told_from_update() -> None:
    for words, or_insert in (("update or insert into", True), ("update", False)):
        output = only_query(f"from S {words} T set T.a = a on T.a == a").output
        assert isinstance(output, UpdateTable)
        assert output.or_insert is or_insert


@pytest.mark.parametrize(
    "text",
    [
        "from T",
        "from T on a > 1 select a, sum(b) as s group by a having s > 1 order by s desc limit 5 offset 1;",
        "from A within '2020-**-** **:**:**' per 'days' select x",
        "select 1 as a insert into T",
        "delete T on T.a == 1",
        "update T set T.a = 2 on T.a == 1",
        "select 1 as a update or insert into T set T.a = a on T.a == a",
    ],
)
def test_on_demand_queries_are_read(text: str) -> None:
    parse_on_demand(text)


@pytest.mark.parametrize("text", ["", "delete T", "from T select a insert into U", "select a return", "from T limit"])
def test_statements_that_are_no_on_demand_query_are_refused(text: str) -> None:
    with pytest.raises(PlanSyntaxError):
        parse_on_demand(text)


def test_a_line_of_a_megabyte_gives_a_short_excerpt() -> None:
    error = refusal("define stream S (" + ", ".join(f"a{i} int" for i in range(5000)) + ", a7 int);")
    assert len(error.excerpt) < 400
    assert "already has an attribute 'a7'" in error.message


@settings(max_examples=200)
@given(st.text() | st.text(alphabet="from select[]()#@'\"`;,.-><=*+1aS \n"))
def test_arbitrary_text_raises_nothing_but_plan_errors(text: str) -> None:
    for prefix in ("", STREAM + "from S select a ", STREAM + "from every ", "@app:"):
        for rule in (parse, parse_on_demand):
            try:
                rule(prefix + text)
            except PlanError as error:
                assert error.message
