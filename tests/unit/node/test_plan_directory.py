from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import ConfigurationError
from eiha.node.plan_directory import read_plan, read_plans
from eiha.protocol.log_entry import DeployPlan

PLAN = "define stream S (x long); from S select x insert into Out;"


def test_plans_are_read_by_file_name_and_other_files_left_alone(tmp_path: Path) -> None:
    for name in ("b.siddhi", "a.siddhi", "notes.txt"):
        (tmp_path / name).write_text(PLAN)
    assert [plan.deployment for plan in read_plans(tmp_path)] == [DeployPlan("a", PLAN), DeployPlan("b", PLAN)]


def test_a_plan_goes_by_the_name_that_its_text_gives(tmp_path: Path) -> None:
    (tmp_path / "a.siddhi").write_text(f"@app:name('orders') {PLAN}")
    assert [plan.name for plan in read_plans(tmp_path)] == ["orders"]


def test_two_plans_of_one_name_are_refused_with_both_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.siddhi").write_text(f"@app:name('orders') {PLAN}")
    with pytest.raises(ConfigurationError, match=r"b\.siddhi: .*'orders'.*a\.siddhi"):
        read_plans(tmp_path)


def test_every_wrong_plan_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.siddhi").write_text("define stream S (x long);\nfrom S select y insert into Out;")
    (tmp_path / "b.siddhi").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError) as caught:
        read_plans(tmp_path)
    assert "a.siddhi: line 2" in str(caught.value)
    assert "b.siddhi: cannot be read" in str(caught.value)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"analytics\.plans"):
        read_plans(tmp_path / "absent")


def test_what_has_no_effect_in_a_plan_is_told_and_a_byte_order_mark_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.siddhi"
    path.write_text(f"@source(type='kafka', topic.list='t') {PLAN}", encoding="utf-8-sig")
    (warning,) = read_plan(path).warnings
    assert "'kafka'" in warning
    assert "has no effect" in warning


def test_a_plan_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.siddhi: cannot be read: there is no such file"):
        read_plan(tmp_path / "absent.siddhi")
