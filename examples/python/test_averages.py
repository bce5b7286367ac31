"""How to test a plan: send events with times of your own, look at what comes out.

python -m pytest examples/python
"""

from pathlib import Path

import pytest

from eiha import Plan

PLAN = Path(__file__).with_name("averages.siddhi")


@pytest.fixture
def plan() -> Plan:
    return Plan.load(PLAN, playback=True)


def test_prices_of_the_last_minute_are_averaged(plan: Plan) -> None:
    trades = [("A", 10.0, 100), ("B", 20.0, 200), ("A", 14.0, 300)]
    out = plan.send("Trades", trades, timestamps=[0, 10_000, 20_000])
    assert out["Averages"].rows() == [("A", 10.0, 100), ("B", 20.0, 200), ("A", 12.0, 400)]
    later = plan.send("Trades", [("A", 30.0, 100)], timestamps=60_000)
    assert later["Averages"].rows() == [("A", 22.0, 400)], "the first trade is a minute old"


def test_a_large_volume_is_an_alert(plan: Plan) -> None:
    assert "Alerts" not in plan.send("Trades", [("A", 10.0, 1000)], timestamps=0)
    assert plan.send("Trades", [("A", 12.0, 1)], timestamps=1)["Alerts"].dicts() == [{"symbol": "A", "average": 11.0}]
