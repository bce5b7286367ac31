import pytest

from eiha.errors import PlanSemanticError, UnsupportedConstruct
from eiha.plan.bind import bind
from eiha.plan.compilation import compile_plan
from eiha.plan.digest import digest
from eiha.plan.nodes import Deduplication, Plan
from eiha.siddhiql.parser import parse

QUERY = "from S select id insert into Out;"


def bound(annotations: str, stream: str = "define stream S (v double, id long, o object);") -> Plan:
    text = f"{annotations}\n{stream}\n{QUERY}"
    return bind(parse(text), text)


@pytest.mark.parametrize("header", ["@app:name('X')", "@Plan:name('X')", "@plan:Name('X')", "@App:name(name='X')"])
def test_the_name_comes_from_either_header(header: str) -> None:
    assert bound(header).name == "X"


def test_playback_is_switched_on_by_its_header() -> None:
    assert bound("@app:playback").playback
    assert not bound("@app:description('playback')").playback


def test_what_has_no_effect_is_a_warning_and_what_only_documents_is_not() -> None:
    assert bound("@app:description('d') @app:version('1') @Plan:description('e')").warnings == ()
    noted = "@app:statistics('true') @app:nosuch('x') @Async(buffer.size='16') @sink(type='log') @Import('s:1.0.0')"
    assert bound(noted).warnings == (
        "@app:statistics has no effect",
        "@app:nosuch has no effect",
        "@Async on stream 'S' has no effect: events are applied in one order",
        "@sink of type 'log' on stream 'S' has no effect; use @sink(type='store')",
        "@Import on stream 'S' has no effect",
    )


def test_a_plan_cannot_be_async_as_a_whole() -> None:
    with pytest.raises(PlanSemanticError, match="before a stream"):
        bound("@app:async(buffer.size='64')")


def test_the_buffer_that_a_plan_of_3x_asks_for_has_no_effect() -> None:
    plan = compile_plan("@Plan:async(bufferSize='64') define stream S (a int); from S select a insert into O;")
    assert plan.warnings == ("@Plan:async has no effect",)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("from S select geo:within(a, a) as b insert into O;", "function of the namespace 'geo'"),
        ("from S#rdbms:query('D', 'q', 'b int') select a insert into O;", "stream function of the namespace 'rdbms'"),
        ("from S#window.kf:filter(a) select a insert into O;", "window of the namespace 'kf'"),
    ],
)
def test_a_namespace_that_is_not_here_is_told_with_what_brings_it(text: str, kind: str) -> None:
    with pytest.raises(PlanSemanticError, match=rf"no {kind} is here, a Python package can bring one"):
        compile_plan(f"define stream S (a int); {text}")


def test_a_function_in_another_language_is_refused_with_the_one_to_write_it_in() -> None:
    with pytest.raises(UnsupportedConstruct, match=r"function.javascript is not supported; write it in Python"):
        compile_plan("define function f[javascript] return int { return 1; }; define stream S (a int);")


def test_streams_are_marked_for_the_stores() -> None:
    plan = bound("@store(type='events') @sink(type='store')")
    assert plan.stored_streams == ("S",)
    assert plan.published_streams == ("S",)


def test_a_dedup_key_is_bound_to_its_attribute() -> None:
    source = "@source(type='eiha', events.duplicated.in.cluster='true', dedup.key='id', dedup.size='500')"
    assert bound(source).deduplicated == (Deduplication("S", 1, 500),)
    unsized = bound("@source(type='eiha', events.duplicated.in.cluster='true', dedup.key='id')")
    assert unsized.deduplicated == (Deduplication("S", 1, 100_000),)


@pytest.mark.parametrize(
    "keys",
    [
        "events.duplicated.in.cluster='true', dedup.key='ident'",
        "events.duplicated.in.cluster='true', dedup.key='o'",
        "events.duplicated.in.cluster='true', dedup.key='id', dedup.size='0'",
        "events.duplicated.in.cluster='true', dedup.key='id', dedup.size='many'",
        "events.duplicated.in.cluster='maybe'",
        "events.duplicated.in.cluster='true', dedup.kye='id'",
    ],
)
def test_wrong_dedup_keys_are_refused_since_duplicates_would_pass(keys: str) -> None:
    with pytest.raises(PlanSemanticError):
        bound(f"@source(type='eiha', {keys})")


def test_a_dedup_key_without_duplicated_events_is_a_warning() -> None:
    plan = bound("@source(type='eiha', dedup.key='id')")
    assert plan.deduplicated == ()
    assert "events.duplicated.in.cluster='true'" in plan.warnings[0]


def test_errors_may_be_logged_stored_or_go_to_a_fault_stream() -> None:
    assert bound("@OnError(action='LOG')").fault_streams == ()
    stored = bound("@OnError(action='store')")
    assert (stored.error_streams, stored.fault_streams, stored.warnings) == (("S",), (), ())
    assert digest(stored) != digest(bound(""))
    plan = bound("@OnError(action='stream')")
    assert plan.fault_streams == ("S",)
    assert plan.stream("!S").schema.names[-1] == "_error"
    for note in ("@OnError(action='RETRY')", "@OnError"):
        with pytest.raises(PlanSemanticError, match="LOG, STREAM, STORE"):
            bound(note)


def test_a_sink_to_the_store_waits_when_it_fails_and_says_so_where_something_else_is_asked_for() -> None:
    assert bound("@sink(type='store', on.error='wait')").warnings == ()
    for action in ("LOG", "STREAM", "STORE"):
        (warning,) = bound(f"@sink(type='store', on.error='{action}')").warnings
        assert f"on.error='{action}'" in warning and "outputs wait until the store takes them" in warning
    with pytest.raises(PlanSemanticError, match=r"LOG, WAIT, STREAM, STORE.*did you mean 'STORE'"):
        bound("@sink(type='store', on.error='STOR')")
    assert "retries of @sink(type='store')" in bound("@sink(type='store', retries='3')").warnings[0]
