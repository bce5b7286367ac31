from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eiha.cli.main import SUBCOMMANDS, main

ROOT = Path(__file__).parents[3]
PLAN = "define stream S (x long); from S[x > 0] select x insert into Out;"


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS))
def test_every_subcommand_explains_its_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "options:" in capsys.readouterr().out


def test_help_loads_no_engine() -> None:
    code = (
        "import sys\nfrom eiha.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'numba', 'sqlalchemy', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_a_valid_plan_and_configuration_check_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "ok.siddhi"
    plan.write_text(PLAN)
    config = tmp_path / "node.toml"
    config.write_text('[cluster]\nnode = "node1"\nsecret = "123456789012"\n')
    assert main(["check", str(plan), str(config)]) == 0
    shown = capsys.readouterr().out
    assert f"{plan}: valid; plan ok" in shown
    assert f"{config}: valid; node node1 of eiha.domain, 0 plans" in shown


def test_what_has_no_effect_in_a_plan_is_told_without_failing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "kafka.siddhi"
    plan.write_text(f"@source(type='kafka', topic.list='t') {PLAN}")
    config = tmp_path / "node.toml"
    config.write_text(f'[cluster]\nnode = "node1"\nsecret = "123456789012"\n[analytics]\nplans = "{tmp_path}"\n')
    for command in (["check", str(plan)], ["check", str(config)], ["run", "--check", "--config", str(config)]):
        assert main(command) == 0
        assert f"{plan}: warning: @source of type 'kafka' on stream 'S' has no effect" in capsys.readouterr().err


def test_each_wrong_file_is_named_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "wrong.siddhi"
    plan.write_text("define stream S (x long);\nfrom S select y insert into Out;")
    config = tmp_path / "node.toml"
    config.write_text("[cluster]\nnoed = 1\n")
    assert main(["check", str(plan), str(config), str(tmp_path / "absent.siddhi")]) == 78
    shown = capsys.readouterr().err
    assert f"{plan}: line 2" in shown
    assert f"{config}:2: unknown key cluster.noed" in shown
    assert "absent.siddhi: cannot be read: there is no such file" in shown


def test_kernels_are_made_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare"]) == 0
    count, words = capsys.readouterr().out.strip().split(" ", 1)
    assert words == "kernels are ready"
    assert int(count) > 100


def test_explain_shows_each_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "ok.siddhi"
    plan.write_text(PLAN)
    assert main(["explain", str(plan), "--stage", "all"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if line.startswith("-- ")] == [
        "-- text",
        "-- ast",
        "-- bound",
        "-- rewritten",
    ]


def test_a_command_that_needs_a_node_says_how_to_name_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EIHA_CONFIG", raising=False)
    assert main(["status"]) == 78
    assert "--config FILE, --url URL" in capsys.readouterr().err


def test_an_action_needs_the_secret(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EIHA_CLUSTER_SECRET", raising=False)
    assert main(["switchover", "--url", "http://127.0.0.1:1"]) == 78
    assert "actions are signed" in capsys.readouterr().err


def test_a_node_that_is_away_is_shown_as_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", "http://127.0.0.1:1"]) == 69
    shown = capsys.readouterr().out
    assert "NO ACTIVE NODE" in shown
    assert "away" in shown


@pytest.mark.parametrize("url", ["node1:9763", "ftp://node1", "http://node1:port", "http://"])
def test_an_address_that_is_none_is_refused_as_it_was_given(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", url]) == 78
    assert f"{url.rstrip('/')!r} is not an HTTP address" in capsys.readouterr().err


def test_a_plan_that_is_refused_is_named_before_any_node_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIHA_CLUSTER_SECRET", "123456789012")
    plan = tmp_path / "wrong.siddhi"
    plan.write_text("define stream S (x long);\nfrom T select x insert into Out;")
    assert main(["deploy", str(plan), "--url", "http://127.0.0.1:1"]) == 78
    assert f"{plan}: line 2, column 5" in capsys.readouterr().err


def test_the_node_may_be_named_before_or_behind_an_action_of_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "node.toml"
    config.write_text('[cluster]\nnode = "node1"\nsecret = "123456789012"\n')
    assert main(["errors", "--config", str(config), "list"]) == 0
    assert main(["errors", "list", "--config", str(config)]) == 0
    assert capsys.readouterr().out == "the error store is empty\n" * 2


def test_an_action_without_an_active_node_is_to_be_tried_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIHA_CLUSTER_SECRET", "123456789012")
    assert main(["snapshot", "--url", "http://127.0.0.1:1"]) == 75
    assert "no active node found" in capsys.readouterr().err


def test_accepting_loss_asks_for_a_clear_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EIHA_CLUSTER_SECRET", "123456789012")
    assert main(["accept-loss", "--url", "http://127.0.0.1:1"]) == 78
    assert "say --yes" in capsys.readouterr().err
