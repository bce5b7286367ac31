"""docs/protocol.md lists the messages that the tables have, under the same numbers."""

import re
from pathlib import Path
from typing import get_args

import pytest

from eiha.protocol import entry_codec
from eiha.protocol.client_codec import CLIENT_TABLE
from eiha.protocol.handshake import HANDSHAKE_TABLE, REFUSALS
from eiha.protocol.log_entry import EntryBody
from eiha.protocol.peer_codec import PEER_TABLE
from eiha.protocol.witness_codec import WITNESS_TABLE

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(title):
    return re.split(r"^## ", DOCUMENT.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("Handshake", HANDSHAKE_TABLE),
        ("Client protocol", CLIENT_TABLE),
        ("Peer messages", PEER_TABLE),
        ("Witness messages", WITNESS_TABLE),
    ],
)
def test_each_message_is_listed_under_its_number(title, table):
    listed = {
        (int(number), name) for number, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", section(title), re.MULTILINE)
    }
    assert listed == {(spec.number, spec.message.__name__) for spec in table.specs}


def test_each_body_of_a_log_entry_is_listed_under_its_kind():
    listed = {
        (int(number), name)
        for number, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", section("Log entries"), re.MULTILINE)
    }
    kinds = {getattr(entry_codec, name) for name in vars(entry_codec) if name.startswith("KIND_")}
    assert {number for number, _ in listed} == kinds
    assert {name for _, name in listed} == {body.__name__ for body in get_args(EntryBody)}


def test_each_code_of_a_refusal_is_listed():
    listed = set(re.findall(r"^\| `([\w-]+)` \|", section("Handshake"), re.MULTILINE))
    assert listed == set(REFUSALS)
