from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from eiha.observability.logs import EventLog, LogContext, configure_logs


@pytest.fixture
def restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    own = logging.getLogger("eiha")
    own_level = own.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    own.setLevel(own_level)


pytestmark = pytest.mark.usefixtures("restore_root")


def lines(form: str, level: str = "info") -> tuple[EventLog, LogContext, io.StringIO]:
    stream = io.StringIO()
    context = LogContext("node1")
    return configure_logs(context, level=level, form=form, stream=stream), context, stream


def test_a_json_line_has_event_node_epoch_sequence_and_facts() -> None:
    said, context, stream = lines("json")
    context.epoch, context.sequence = 3, 41
    said.info("member_added", "member added: node2", member="node2")
    found = json.loads(stream.getvalue())
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "INFO",
        "event": "member_added",
        "node": "node1",
        "epoch": 3,
        "sequence": 41,
        "message": "member added: node2",
        "member": "node2",
    }


def test_auto_is_json_where_nobody_watches() -> None:
    said, _, stream = lines("auto")
    said.info("x", "y")
    assert json.loads(stream.getvalue())["event"] == "x"


def test_a_pretty_line_is_one_line() -> None:
    said, _, stream = lines("pretty")
    said.warning("slow_peer", "node2 is slow", lag=7)
    assert stream.getvalue().count("\n") == 1
    assert "WARNING [node1 e0 s0] slow_peer: node2 is slow lag=7" in stream.getvalue()


def test_lines_below_the_level_are_not_written() -> None:
    said, _, stream = lines("json", level="warning")
    said.info("x", "y")
    said.error("z", "y")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["z"]


def test_lines_of_libraries_have_the_same_form() -> None:
    _, _, stream = lines("json")
    logging.getLogger("sqlalchemy.pool").warning("pool %s", "full")
    found = json.loads(stream.getvalue())
    assert (found["event"], found["message"]) == ("sqlalchemy.pool", "pool full")


def test_an_unexpected_failure_has_its_traceback() -> None:
    said, _, stream = lines("json")
    try:
        raise KeyError("x")
    except KeyError as error:
        said.failure("node_failed", "KeyError", error)
    assert "Traceback" in json.loads(stream.getvalue())["traceback"]
