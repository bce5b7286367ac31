"""The tool that gives tests and demos a MariaDB of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mariadb

pytestmark = pytest.mark.mariadb
TOOL = Path(__file__).parents[2] / "tools" / "mariadb.py"


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != mariadb.URL_VARIABLE}
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, env=environment)


def test_a_server_is_started_once_found_again_and_stopped(tmp_path: Path) -> None:
    first = tool("start", "--dir", str(tmp_path))
    try:
        assert first.stdout.startswith("mysql+aiomysql://eiha:eiha@127.0.0.1:"), first.stderr
        assert tool("start", "--dir", str(tmp_path)).stdout == first.stdout
    finally:
        tool("stop", "--dir", str(tmp_path))
    assert mariadb.load(tmp_path) is None


def test_a_command_sees_the_url_and_gives_its_exit_status() -> None:
    script = f"import os, sys; print(os.environ['{mariadb.URL_VARIABLE}']); sys.exit(7)"
    done = tool("run", "--", sys.executable, "-c", script)
    assert done.returncode == 7
    assert done.stdout.startswith("mysql+aiomysql://")


def test_without_a_server_to_start_the_way_to_get_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(mariadb.URL_VARIABLE, raising=False)
    monkeypatch.setattr(mariadb, "find_program", lambda *names: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert mariadb.main(["start", "--dir", str(tmp_path)]) == 69
    message = capsys.readouterr().err
    assert "apt-get install mariadb-server" in message
    assert mariadb.URL_VARIABLE in message


def test_a_server_that_is_given_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(mariadb.URL_VARIABLE, "mysql+aiomysql://u:p@db:3306/x")
    assert mariadb.main(["start", "--dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "mysql+aiomysql://u:p@db:3306/x\n"
    assert list(tmp_path.iterdir()) == []
