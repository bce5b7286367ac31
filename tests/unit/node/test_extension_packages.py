"""Packages on the path that name modules under ``eiha.extensions`` are found and loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eiha.cli.main import main
from eiha.errors import ExtensionError
from eiha.node.extension_packages import load_extension_packages
from eiha.plan.registry import REGISTRY
from tests.unit.engine.plan_rows import one_by_one

MODULE = """
from eiha.extensions import scalar_function

@scalar_function("acme:double", "x int -> int", deterministic=True)
def double(x):
    return 2 * x
"""
PLAN = "define stream S (a int); from S select acme:double(a) as v insert into Out;"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    REGISTRY.remove("acme:double")
    sys.modules.pop("acme_rules", None)


def install(path: Path, module: str, *, entry: str = "acme_rules") -> None:
    (path / "acme_rules.py").write_text(module)
    info = path / "acme_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[eiha.extensions]\nacme = {entry}\n")


def test_a_package_that_is_installed_adds_its_functions(path: Path) -> None:
    install(path, MODULE)
    assert "acme" in load_extension_packages()
    assert [values for _, values in one_by_one(PLAN, [(21,)])] == [[42]]


def test_the_command_line_knows_them_too(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(path, MODULE)
    plan = path / "plan.siddhi"
    plan.write_text(PLAN)
    assert main(["explain", str(plan)]) == 0
    assert "acme:double" in capsys.readouterr().out


def test_a_package_that_cannot_be_loaded_is_named(path: Path) -> None:
    install(path, "raise RuntimeError('no licence')")
    with pytest.raises(ExtensionError, match=r"'acme' \(acme_rules\).*no licence"):
        load_extension_packages()


def test_a_package_that_registers_what_cannot_be_is_named(path: Path) -> None:
    install(path, MODULE.replace("deterministic=True", "deterministic=False"))
    with pytest.raises(ExtensionError, match=r"'acme'.*apply the same log"):
        load_extension_packages()
