import asyncio
import contextlib
import socket

import orjson
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from eiha.receivers.http import HttpLimits, HttpReceiver, build_app
from eiha.receivers.intake import IntakeState
from tests.unit.receivers.memory_intake import MemoryIntake, MemoryLog

ROWS = [{"symbol": "IBM", "price": 1.5, "volume": 10}, {"symbol": None, "price": 2, "volume": None}]
LIVE = Route("/live", lambda request: PlainTextResponse("yes"))


class Http:
    """One keep-alive connection."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def request(self, method, path, body=b"", **headers):
        self.start(method, path, body, **headers)
        return await self.answer()

    def start(self, method, path, body=b"", **headers):
        lines = [f"{method} {path} HTTP/1.1", "Host: test"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def answer(self):
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        first, *lines = head.decode().strip().split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def post(self, rows, path="/v1/streams/Trades", **headers):
        body = rows if isinstance(rows, bytes) else orjson.dumps(rows)
        status, headers, answer = await self.request(
            "POST", path, body, **({"Content_Type": "application/json"} | headers)
        )
        return status, headers, orjson.loads(answer)


@contextlib.asynccontextmanager
async def serving(intake=None, **limits):
    intake = intake or MemoryIntake(MemoryLog())
    receiver = HttpReceiver(intake, HttpLimits(**limits))
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(build_app(receiver, [LIVE]), http="httptools", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve(sockets=[sock]))
    clients = []

    async def connect():
        clients.append(Http(*await asyncio.open_connection(*sock.getsockname())))
        return clients[-1]

    try:
        yield receiver, connect
    finally:
        for client in clients:
            client.writer.close()
        await receiver.close()
        server.should_exit = True
        await task


async def test_objects_arrays_and_lines_are_committed_before_the_answer():
    intake = MemoryIntake(MemoryLog())
    async with serving(intake) as (_, connect):
        http = await connect()
        assert (await http.post(ROWS[0]))[2] == {"accepted": 1}
        assert intake.log.rows() == [["IBM", 1.5, 10]]
        assert (await http.post(ROWS))[2] == {"accepted": 2}
        lines = b"\n".join(map(orjson.dumps, ROWS)) + b"\n"
        status, headers, answer = await http.post(lines, Content_Type="application/x-ndjson")
        assert (status, answer, headers["content-type"]) == (200, {"accepted": 2}, "application/json")
        assert (await http.post([]))[2] == {"accepted": 0}
        assert intake.log.rows() == [["IBM", 1.5, 10]] + [["IBM", 1.5, 10], [None, 2.0, None]] * 2
        assert (await http.request("GET", "/live"))[2] == b"yes"


async def test_the_event_time_may_come_from_an_attribute():
    intake = MemoryIntake(MemoryLog())
    async with serving(intake) as (_, connect):
        http = await connect()
        assert (await http.post(ROWS[0], "/v1/streams/Trades?event_time=volume"))[0] == 200
        status, _, problem = await http.post(ROWS[0], "/v1/streams/Trades?event_time=symbol")
        assert (status, problem["type"]) == (422, "urn:eiha:problem:wrong-schema")


@pytest.mark.parametrize(
    ("body", "path", "headers", "status", "expected"),
    [
        (ROWS, "/v1/streams/Nope", {}, 404, {"detail": "no deployed plan defines stream 'Nope'; there are: Trades"}),
        (b"{", "/v1/streams/Trades", {}, 400, {"type": "urn:eiha:problem:malformed-body"}),
        (b'{"a":1}\n{', "/v1/streams/Trades", {"Content_Type": "application/x-ndjson"}, 400, {"line": 2}),
        (b"a,b", "/v1/streams/Trades", {"Content_Type": "text/csv"}, 415, {"title": "unsupported type"}),
        (
            b" " * 2001,
            "/v1/streams/Trades",
            {},
            413,
            {"detail": "a body may have 2000 bytes: send the events in parts"},
        ),
        (b"", "/v1/streams/Trades", {"Content_Length": "99999"}, 413, {"type": "urn:eiha:problem:body-too-large"}),
        ([ROWS[0], ROWS[0] | {"price": "x"}], "/v1/streams/Trades", {}, 422, {"row": 1, "field": "price"}),
        ([ROWS[0] | {"prise": 1}], "/v1/streams/Trades", {}, 422, {"row": 0, "field": "prise"}),
        ([{"symbol": "x"}], "/v1/streams/Trades", {}, 422, {"row": 0, "field": "price"}),
        ([5], "/v1/streams/Trades", {}, 422, {"row": 0, "field": ""}),
        (ROWS, "/v1/streams/Trades", {"Idempotency_Key": "k" * 201}, 400, {"title": "bad idempotency key"}),
    ],
)
async def test_a_bad_request_gets_a_problem_with_its_place_and_others_live_on(body, path, headers, status, expected):
    intake = MemoryIntake(MemoryLog())
    async with serving(intake, body_bytes_max=2000) as (receiver, connect):
        good, bad = await connect(), await connect()
        got, answered, problem = await bad.post(body, path, **headers)
        assert got == problem["status"] == status
        assert answered["content-type"] == "application/problem+json"
        assert expected.items() <= problem.items()
        assert sum(receiver.rejected_by_code.values()) == 1
        assert intake.log.publications == []
        assert (await good.post(ROWS))[0] == 200


async def test_unknown_paths_and_methods_are_problems_too():
    async with serving() as (_, connect):
        http = await connect()
        status, headers, body = await http.request("GET", "/v1/streams/Trades")
        assert (status, headers["allow"], orjson.loads(body)["type"]) == (405, "POST", "urn:eiha:problem:wrong-method")
        status, _, problem = await http.post(ROWS, "/v1/stream")
        assert (status, problem["detail"]) == (404, "nothing is at /v1/stream; events go to POST /v1/streams/<stream>")


async def test_a_chunked_body_is_bounded_too():
    async with serving(body_bytes_max=10) as (_, connect):
        http = await connect()
        http.start("POST", "/v1/streams/Trades", b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n", Transfer_Encoding="chunked")
        assert (await http.answer())[0] == 413


async def test_a_repeat_with_its_key_is_answered_and_not_counted_twice_on_either_node():
    log = MemoryLog()
    async with serving(MemoryIntake(log)) as (_, one), serving(MemoryIntake(log, "node2")) as (_, two):
        first, second = await one(), await two()
        status, headers, answer = await first.post(ROWS, Idempotency_Key="order-7")
        assert (status, answer, headers.get("idempotent-replayed")) == (200, {"accepted": 2}, None)
        for http in (first, second, first):
            status, headers, answer = await http.post(ROWS, Idempotency_Key="order-7")
            assert (status, answer, headers["idempotent-replayed"]) == (200, {"accepted": 2}, "true")
        assert len(log.publications) == 1
        status, _, problem = await first.post(ROWS[:1], Idempotency_Key="order-7")
        assert (status, problem["type"]) == (422, "urn:eiha:problem:idempotency-key-reused")
        assert (await first.post(ROWS, Idempotency_Key="order-8"))[0] == 200
        assert len(log.publications) == 2


async def test_two_requests_with_one_key_at_once_are_one():
    intake = MemoryIntake(MemoryLog())
    intake.held = True
    async with serving(intake) as (_, connect):
        one, two = await connect(), await connect()
        asking = [asyncio.create_task(http.post(ROWS, Idempotency_Key="k")) for http in (one, two)]
        await intake.logged(1)
        intake.held = False
        intake.release()
        assert [(await task)[0] for task in asking] == [200, 200]
        assert len(intake.log.publications) == 1


async def test_a_closed_intake_is_503_with_the_reason_and_when_to_come_back():
    intake = MemoryIntake(MemoryLog())
    intake.set_state(IntakeState(open=False, reason="no quorum", retry_after_ms=1_500))
    async with serving(intake) as (_, connect):
        status, headers, problem = await (await connect()).post(ROWS)
        assert (status, headers["retry-after"], problem["detail"]) == (503, "2", "no quorum")
        assert problem["retry_after_ms"] == 1_500


async def test_a_node_that_does_not_know_its_streams_yet_says_later_and_not_never():
    intake = MemoryIntake(MemoryLog())
    intake.definitions = {}
    intake.set_state(IntakeState(open=False, reason="the node is starting", retry_after_ms=500))
    async with serving(intake) as (_, connect):
        http = await connect()
        status, _, problem = await http.post(ROWS)
        assert (status, problem["detail"]) == (503, "the node is starting")
        intake.set_state(IntakeState(open=True))
        assert (await http.post(ROWS))[0] == 404


async def test_at_the_bound_the_answer_is_429_at_once():
    intake = MemoryIntake(MemoryLog())
    intake.held = True
    async with serving(intake, unacked_requests_max=1) as (_, connect):
        first, second = await connect(), await connect()
        waiting = asyncio.create_task(first.post(ROWS))
        await intake.logged(1)
        status, headers, problem = await second.post(ROWS)
        assert (status, headers["retry-after"]) == (429, "1")
        assert problem["detail"] == "1 requests with 2 events wait for their commit"
        intake.held = False
        intake.release()
        assert (await waiting)[0] == 200
        assert (await second.post(ROWS))[0] == 200


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}])
async def test_a_refusal_of_the_node_is_429_and_the_next_request_is_taken(headers):
    intake = MemoryIntake(MemoryLog())
    intake.refuse_next = 1
    async with serving(intake) as (_, connect):
        http = await connect()
        status, answered, problem = await http.post(ROWS, **headers)
        assert (status, answered["retry-after"], problem["detail"]) == (429, "1", "the window is full")
        assert (await http.post(ROWS, **headers))[0] == 200
        assert (await http.post(ROWS))[0] == 200
        assert len(intake.log.publications) == 2


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}])
async def test_an_outcome_that_is_not_known_in_time_is_504(headers):
    intake = MemoryIntake(MemoryLog())
    intake.held = True
    async with serving(intake, ack_timeout_s=0.02) as (receiver, connect):
        http = await connect()
        status, _, problem = await http.post(ROWS, **headers)
        assert (status, problem["type"]) == (504, "urn:eiha:problem:outcome-unknown")
        intake.held = False
        status, _, _ = await http.post(ROWS, **headers)
        assert status == 200
        assert len(intake.log.publications) == (1 if headers else 2)
        assert receiver.unacked_requests == receiver.unacked_rows == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 65) | st.floats(allow_nan=False) | st.sampled_from(["IBM", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["symbol", "price", "volume", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        json_values.map(lambda v: orjson.dumps(v, default=str) if abs(_big(v)) < 1 << 63 else b"{")
        | st.binary(max_size=30),
        max_size=5,
    )
)
def test_whatever_is_posted_is_accepted_or_a_problem(bodies):
    async def scenario():
        async with serving() as (_, connect):
            http = await connect()
            for body in bodies:
                status, headers, _ = await http.post(body)
                assert status in (200, 400, 422)
                assert (headers["content-type"] == "application/problem+json") == (status != 200)

    asyncio.run(scenario())


def _big(value):
    match value:
        case bool() | None | float() | str():
            return 0
        case int():
            return value
        case list():
            return max(map(_big, value), key=abs, default=0)
        case dict():
            return max(map(_big, value.values()), key=abs, default=0)
