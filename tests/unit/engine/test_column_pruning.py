"""Which columns are carried behind a query's first filter or window."""

from __future__ import annotations

from eiha.engine.column_pruning import kept_columns
from eiha.engine.expressions.rows import EntryIdentity
from eiha.engine.lower import lower
from eiha.events.strings import StringTable
from eiha.plan.compilation import compile_plan

S = "define stream S (a int, b long, c string, d double);\n"


def kept(text: str) -> tuple[int, ...] | None:
    plan = compile_plan(S + text, name="p")
    found = kept_columns(plan.queries[0], plan.stream("S").schema)
    return None if found is None else found.positions


def held(text: str) -> list[int]:
    """Columns that the stages of the first query have in their state."""
    runtime = lower(compile_plan(S + text, name="p"), StringTable(), EntryIdentity())
    stages = runtime.snapshot()["queries"][0]["stages"]
    return [len(stage["rows"]["columns"]) for stage in stages if "rows" in stage]


def test_only_what_is_read_behind_the_first_filter_is_kept() -> None:
    assert kept("from S[a > 1]#window.length(3) select c, sum(d) as s group by c insert into T;") == (2, 3)
    assert kept("from S[a > 1]#window.length(3)[b > 2] select c insert into T;") == (1, 2)
    assert kept("from S#window.length(3)[a > 1] select count() as n having n > 1 insert into T;") == (0,)
    assert kept("from S#window.externalTime(b, 5 sec) select c insert all events into T;") == (1, 2)


def test_queries_that_read_all_or_copy_nothing_are_left_alone() -> None:
    assert kept("from S[a > 1] select * insert into T;") is None
    assert kept("from S select a insert into T;") is None


def test_windows_hold_only_the_columns_that_are_kept() -> None:
    assert held("from S[a > 1]#window.length(3) select c, max(d) as m group by c insert into T;") == [2]
    assert held("from S#window.externalTime(b, 5 sec) select c insert all events into T;") == [2]
    assert held("from S#window.time(5) select stdDev(d) as s insert all events into T;") == [1]


def test_a_sliding_window_whose_expired_rows_nobody_sees_holds_nothing() -> None:
    assert held("from S#window.length(3) select a insert into T;") == []
    assert held("from S#window.lengthBatch(3) select a insert into T;") == [1]
    assert held("from S#window.delay(3) select a insert into T;") == [1]
