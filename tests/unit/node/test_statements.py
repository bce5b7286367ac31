from __future__ import annotations

import asyncio

import pytest

from eiha.errors import NotAnsweredNow, QueryFailed
from eiha.ha.effects import RejectStatement
from eiha.ha.inputs import StatementAsked
from eiha.kernel.ids import Incarnation, Sequence
from eiha.node import statements as module
from eiha.node.engine_thread import StatementApplied
from eiha.node.statements import STATEMENTS_MAX, OutcomeUnknown, Statements


class Asking:
    def __init__(self) -> None:
        self.fed: list[StatementAsked] = []
        self.statements = Statements(self.fed.append, Incarnation("disk"), "run")

    async def begin(self, text: str = "delete T") -> asyncio.Task[Sequence]:
        task = asyncio.create_task(self.statements.carry_out("p", text))
        await asyncio.sleep(0)
        return task

    def applied(self, number: int, refusal: str = "") -> None:
        request = self.fed[number].statement.request
        self.statements.applied([StatementApplied(request, Sequence(5 + number), refusal)])


async def test_who_asked_is_told_where_the_statement_was_applied() -> None:
    asking = Asking()
    first, second = await asking.begin("delete T"), await asking.begin("delete U")
    assert [each.statement.text for each in asking.fed] == ["delete T", "delete U"]
    asking.applied(1)
    assert await second == 6
    assert not first.done()
    asking.applied(0)
    assert await first == 5


async def test_a_refusal_of_the_engine_or_of_the_member_reaches_who_asked() -> None:
    asking = Asking()
    first, second = await asking.begin(), await asking.begin()
    asking.applied(0, "the row is there already")
    asking.statements.rejected(RejectStatement(asking.fed[1].statement.request, "a switchover is under way"))
    with pytest.raises(QueryFailed, match="there already"):
        await first
    with pytest.raises(NotAnsweredNow, match="nothing was changed: a switchover"):
        await second
    asking.applied(1)  # nobody waits for it any more


async def test_what_takes_too_long_has_no_known_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STATEMENT_TIMEOUT_S", 0.0)
    with pytest.raises(OutcomeUnknown, match="may or may not"):
        await Asking().statements.carry_out("p", "delete T")


async def test_only_so_many_wait() -> None:
    asking = Asking()
    tasks = [await asking.begin() for _ in range(STATEMENTS_MAX)]
    with pytest.raises(NotAnsweredNow, match="wait already"):
        await asking.statements.carry_out("p", "delete T")
    asking.applied(0)
    await tasks[0]
    tasks[0] = await asking.begin()
    assert len(asking.fed) == STATEMENTS_MAX + 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_no_two_runs_of_a_process_have_one_name_for_a_request() -> None:
    async def request(run: str) -> str:
        fed: list[StatementAsked] = []
        task = asyncio.create_task(Statements(fed.append, Incarnation("disk"), run).carry_out("p", "x"))
        await asyncio.sleep(0)
        task.cancel()
        return fed[0].statement.request

    assert asyncio.run(request("one")) != asyncio.run(request("two"))
