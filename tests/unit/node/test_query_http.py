from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette

from eiha.errors import AnswerTooLarge, NotAnsweredNow, PlanSemanticError, QueryFailed, UnknownPlan
from eiha.events.schema import Attribute, AttributeType, Schema
from eiha.events.wire import WireBatch, WireColumn
from eiha.kernel.ids import Sequence
from eiha.node.admin_signature import SIGNATURE_HEADER, TIME_HEADER, SignatureCheck, sign
from eiha.node.node_queries import NotActive
from eiha.node.query_http import QUERY_BYTES_MAX, query_routes
from eiha.node.statements import OutcomeUnknown
from eiha.observability.logs import EventLog
from eiha.protocol.answers import RowsFound, StatementFits
from eiha.protocol.limits import STATEMENT_LENGTH_MAX

SECRET = "a secret of this test"
SCHEMA = Schema((Attribute("name", AttributeType.STRING), Attribute("price", AttributeType.DOUBLE)))
FOUND = RowsFound(
    SCHEMA,
    WireBatch(
        2,
        None,
        (
            WireColumn(AttributeType.STRING, np.array([1, 0], np.int32), np.array([True, False]), ("", "é")),
            WireColumn(AttributeType.DOUBLE, np.array([1.5, np.inf])),
        ),
    ),
    Sequence(7),
)


@dataclass
class Answer:
    """What the application sent."""

    status_code: int = 0
    headers: dict[str, str] | None = None
    body: bytes = b""

    async def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status_code = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]

    def header(self, name: str) -> str | None:
        assert self.headers is not None
        return self.headers.get(name)

    def json(self) -> Any:
        return json.loads(self.body)


class Node:
    """Answers with ``answer``, carries out with ``outcome``; either may be raised."""

    node = "node1"

    def __init__(self) -> None:
        self.answer: RowsFound | StatementFits | Exception = FOUND
        self.outcome: Sequence | Exception = Sequence(9)
        self.asked: list[tuple[str, str]] = []
        self.carried_out: list[tuple[str, str]] = []
        routes = query_routes(self, SignatureCheck(SECRET), EventLog())
        self.app = Starlette(routes=list(routes))

    async def ask(self, plan: str, text: str) -> RowsFound | StatementFits:
        self.asked.append((plan, text))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def carry_out(self, plan: str, text: str) -> Sequence:
        self.carried_out.append((plan, text))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def post(self, document: Any, *, signed: bool = False, accept: str = "*/*") -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"accept": accept}
        if signed:
            time_ms = int(time.time() * 1_000)
            headers |= {TIME_HEADER: str(time_ms), SIGNATURE_HEADER: sign(SECRET, "POST", "/query", time_ms, body)}
        answer = Answer()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/query",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive, answer.take)
        return answer


QUERY = {"plan": "p", "query": "from T select name, price"}


async def test_a_question_is_answered_with_columns_types_and_rows() -> None:
    node = Node()
    answer = await node.post(QUERY)
    assert (answer.status_code, answer.header("content-type")) == (200, "application/json")
    assert answer.json() == {
        "columns": ["name", "price"],
        "types": ["string", "double"],
        "rows": [["é", 1.5], [None, "Infinity"]],
        "node": "node1",
        "sequence": 7,
    }
    assert node.asked == [("p", "from T select name, price")]


async def test_rows_come_as_lines_when_lines_are_accepted() -> None:
    answer = await Node().post(QUERY, accept="application/x-ndjson;q=1, text/html")
    assert answer.header("content-type") == "application/x-ndjson"
    assert answer.header("x-eiha-sequence") == "7"
    assert [json.loads(line) for line in answer.body.splitlines()] == [
        {"name": "é", "price": 1.5},
        {"name": None, "price": "Infinity"},
    ]


async def test_a_statement_is_carried_out_for_who_knows_the_secret() -> None:
    node = Node()
    node.answer = StatementFits()
    refused = await node.post(QUERY)
    assert (refused.status_code, node.carried_out) == (401, [])
    answer = await node.post(QUERY, signed=True)
    assert answer.json() == {"columns": [], "types": [], "rows": [], "node": "node1", "carried_out_at": 9}
    assert node.carried_out == [("p", "from T select name, price")]


@pytest.mark.parametrize(
    ("refusal", "status", "words"),
    [
        (PlanSemanticError("no such table", line=2, column=5), 400, "no such table"),
        (UnknownPlan("no plan 'p'"), 404, "no plan"),
        (AnswerTooLarge("ask for parts"), 422, "ask for parts"),
        (QueryFailed("a class cast"), 422, "class cast"),
        (NotAnsweredNow("later"), 503, "later"),
        (ZeroDivisionError("a defect"), 500, "the node's log"),
    ],
)
async def test_a_refused_question_says_why(refusal: Exception, status: int, words: str) -> None:
    node = Node()
    node.answer = refusal
    answer = await node.post(QUERY)
    assert answer.status_code == answer.json()["status"] == status
    assert words in answer.json()["detail"]
    assert answer.header("content-type") == "application/problem+json"
    assert (answer.json().get("line"), answer.json().get("column")) == ((2, 5) if status == 400 else (None, None))
    assert (answer.header("retry-after") is not None) == (status == 503)


@pytest.mark.parametrize(
    ("refusal", "status", "location"),
    [
        (NotActive("node2 is active", "http://two:1"), 307, "http://two:1/query"),
        (NotActive("nobody is active", ""), 409, None),
        (QueryFailed("dropped"), 422, None),
        (OutcomeUnknown("it took too long"), 504, None),
    ],
)
async def test_a_statement_that_is_not_carried_out_says_why(
    refusal: Exception, status: int, location: str | None
) -> None:
    node = Node()
    node.answer, node.outcome = StatementFits(), refusal
    answer = await node.post(QUERY, signed=True)
    assert (answer.status_code, answer.header("location")) == (status, location)
    assert answer.json()["detail"] == str(refusal)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        ([], 400, "the body must be"),
        ({"query": "from T"}, 400, "the body must be"),
        ({"plan": "", "query": "from T"}, 400, "plan must be"),
        ({"plan": "p", "query": 1}, 400, "query must be"),
        ({"plan": "p", "query": "x" * (STATEMENT_LENGTH_MAX + 1)}, 413, f"may have {STATEMENT_LENGTH_MAX}"),
        (b" " * (QUERY_BYTES_MAX + 1), 413, f"may have {STATEMENT_LENGTH_MAX}"),
    ],
)
async def test_what_is_no_query_is_refused_before_the_engine_hears_of_it(body: Any, status: int, words: str) -> None:
    node = Node()
    answer = await node.post(body)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)
    assert node.asked == []
