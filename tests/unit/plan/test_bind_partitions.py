from __future__ import annotations

import pytest

from eiha.errors import PlanSemanticError
from eiha.plan.compilation import compile_plan
from eiha.plan.nodes import Plan, Purge, RangeKey, ValueKey

HEAD = "define stream S (k string, n int, x double);\ndefine stream R (k string, n int);\n"
BODY = "begin from S select k insert into Out; end;"


def bound(text: str) -> Plan:
    return compile_plan(HEAD + text)


def refusal(text: str) -> PlanSemanticError:
    with pytest.raises(PlanSemanticError) as caught:
        bound(text)
    return caught.value


def test_queries_know_the_partition_they_stand_in() -> None:
    plan = bound(f"from S select k insert into A; partition with (k of S) {BODY} from A select k insert into B;")
    assert [query.partition for query in plan.queries] == [None, 0, None]


def test_keys_are_values_or_ranges_by_stream() -> None:
    (partition,) = bound(f"partition with (n + 1 of S, n < 2 as 'low' or n > 4 as 'high' of R) {BODY}").partitions
    assert isinstance(partition.key("S"), ValueKey)
    ranges = partition.key("R")
    assert isinstance(ranges, RangeKey)
    assert [label for _, label in ranges.ranges] == ["low", "high"]
    assert partition.key("Out") is None


def test_inner_streams_of_two_partitions_are_two_streams() -> None:
    body = "begin from S select k insert into #M; from #M select #M.k as k insert into Out; end;"
    plan = bound(f"partition with (k of S) {body} partition with (n of S) {body}")
    assert [each.name for each in plan.streams if each.name.startswith("#")] == ["#M", "#M:2"]
    assert [query.output.target for query in plan.queries] == ["#M", "Out", "#M:2", "Out"]
    assert plan.published_streams == ("Out",)


def test_an_inner_stream_and_a_plain_one_may_share_a_name() -> None:
    plan = bound("partition with (k of S) begin from S select k insert into #M; from #M select k insert into M; end;")
    assert {"#M", "M"} <= {each.name for each in plan.streams}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("partition with (k of Z) begin from S select k insert into Out; end;", (3, 16), "'Z'"),
        ("partition with (kk of S) begin from S select k insert into Out; end;", (3, 16), "did you mean 'k'?"),
        ("partition with (k of S, n of S) begin from S select k insert into Out; end;", (3, 24), "a stream takes one"),
        ("partition with (n as 'a' of S) begin from S select k insert into Out; end;", (3, 16), "a range takes a bool"),
        ("partition with (k of S) begin from #M select k insert into Out; end;", (3, 35), "'#M'"),
        ("from #M select k insert into Out;", (3, 5), "within a partition only"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(text: str, place: tuple[int, int], words: str) -> None:
    error = refusal(text)
    assert (error.line, error.column) == place
    assert words in str(error)


def test_idle_keys_are_forgotten_as_purge_says() -> None:
    purged = bound(
        f"@purge(enable='true', interval='10 sec', idle.period='1 min 30 sec') partition with (k of S) {BODY}"
    )
    assert purged.partitions[0].purge == Purge(10_000, 90_000)
    rarely = bound(f"@purge(enable='true', idle.period='1 hour') partition with (k of S) {BODY}")
    assert rarely.partitions[0].purge == Purge(300_000, 3_600_000)
    never = bound(f"@purge(enable='false', idle.period='1 hour') partition with (k of S) {BODY}")
    assert never.partitions[0].purge is None


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("@purge(enable='true')", "needs 'idle.period'"),
        ("@purge(idle.period='1 sec')", "needs 'enable'"),
        ("@purge(enable='yes', idle.period='1 sec')", "'true' or 'false'"),
        ("@purge(enable='true', idle.period='soon')", "a time"),
        ("@purge(enable='true', idle.period='1 sec', intervall='1 sec')", "did you mean 'interval'?"),
        ("@purge(enable='true', idle.period='1 sec') @purge(enable='true', idle.period='1 sec')", "one @purge"),
    ],
)
def test_a_purge_that_says_nothing_sensible_is_refused(note: str, words: str) -> None:
    assert words in str(refusal(f"{note} partition with (k of S) {BODY}"))


def test_other_annotations_of_a_partition_have_no_effect_and_say_so() -> None:
    plan = bound(f"@info(name='p') @dist(parallel='4') partition with (k of S) {BODY}")
    assert plan.warnings == ("@dist on a partition has no effect",)
