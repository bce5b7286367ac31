"""A plan with a table, a pattern, a partition and an aggregation, tested as a whole."""

from pathlib import Path

import pytest

from eiha import Plan

MINUTE_MS = 60_000


@pytest.fixture
def plan() -> Plan:
    cards = Plan.load(Path(__file__).with_name("cards.siddhi"), playback=True)
    cards.send("Limits", [("c1", 100.0), ("c2", 1_000.0), ("c1", 200.0)], timestamps=0)
    return cards


def test_a_payment_beyond_its_cards_limit_is_reported(plan: Plan) -> None:
    out = plan.send("Payments", [("c1", "shop", 150.0), ("c1", "shop", 250.0), ("c3", "shop", 9_999.0)], timestamps=1)
    assert out["OverLimit"].rows() == [("c1", "shop", 250.0, 200.0)]
    assert plan.ask("from LimitOf on card == 'c1' select most").rows() == [(200.0,)]


def test_a_small_payment_and_a_large_one_within_a_minute_are_a_probe(plan: Plan) -> None:
    assert "Probes" not in plan.send("Payments", [("c1", "kiosk", 1.0), ("c2", "shop", 50.0)], timestamps=1_000)
    out = plan.send("Payments", [("c1", "jeweller", 90.0)], timestamps=30_000)
    assert out["Probes"].rows() == [("c1", 1.0, 90.0, "jeweller")]
    assert "Probes" not in plan.send("Payments", [("c2", "jeweller", 900.0)], timestamps=70_000), "too late"


def test_a_card_seen_in_three_places_is_told_once(plan: Plan) -> None:
    places = [("c1", "a", 1.0), ("c2", "a", 1.0), ("c1", "b", 1.0), ("c1", "c", 1.0), ("c1", "d", 1.0)]
    out = plan.send("Payments", places, timestamps=[MINUTE_MS * minute for minute in range(5)])
    assert out["ManyPlaces"].rows() == [("c1", 3)]


def test_spending_is_added_up_by_the_hour(plan: Plan) -> None:
    plan.send(
        "Payments", [("c1", "a", 10.0), ("c1", "b", 5.0), ("c2", "a", 7.0)], timestamps=[0, MINUTE_MS, 2 * MINUTE_MS]
    )
    spent = plan.ask("from Spending within 0L, 86400000L per 'hours' select card, spent, payments")
    assert sorted(spent.rows()) == [("c1", 15.0, 2), ("c2", 7.0, 1)]
