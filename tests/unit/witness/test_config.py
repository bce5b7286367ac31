"""The arbiter's file is read by the rules of a node's."""

from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import ConfigurationError
from eiha.witness.config import ServedCluster, read_arbiter_config

ROOT = Path(__file__).parents[3]
LEAST = '[arbiter]\nclusters = [ { domain = "a.b", secret = "${env:SECRET}" } ]\n'
ENVIRONMENT = {"SECRET": "a secret for tests"}


def problem(tmp_path: Path, text: str) -> str:
    path = tmp_path / "witness.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_arbiter_config(path, ENVIRONMENT)
    return str(caught.value)


def test_the_least_file_has_defaults_for_everything_else(tmp_path: Path) -> None:
    path = tmp_path / "witness.toml"
    path.write_text(LEAST)
    arbiter = read_arbiter_config(path, ENVIRONMENT).arbiter
    assert arbiter.clusters == (ServedCluster("a.b", ENVIRONMENT["SECRET"]),)
    assert (arbiter.host, arbiter.port, arbiter.directory) == ("127.0.0.1", 11226, "var/witness")


def test_the_example_is_valid() -> None:
    config = read_arbiter_config(ROOT / "examples" / "witness.toml", {})
    assert [cluster.domain for cluster in config.arbiter.clusters] == ["example"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "arbiter.clusters is missing"),
        ("[arbiter]\nclusters = []\n", "arbiter.clusters must be at least 1 long"),
        ("[arbiter]\nclusters = 3\n", "witness.toml:2: arbiter.clusters must be a list of tables, not 3"),
        ('[arbiter]\nclusters = [ { domain = "a" } ]\n', "arbiter.clusters.secret is missing"),
        ('[arbiter]\nclusters = [ { domain = "a", secret = "tiny" } ]\n', "secret must be at least 12 long"),
        (LEAST.replace("[ {", '[ { domain = "a.b", secret = "${env:SECRET}" }, {'), "names 'a.b' more than once"),
        (LEAST + "prot = 1\n", "witness.toml:3: unknown key arbiter.prot; did you mean 'port'?"),
        (LEAST + "[cluster]\n", "witness.toml:3: unknown section [cluster]"),
        (LEAST + "idle_timeout_s = 1\n", "arbiter.idle_timeout_s must be at least 10"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    message = problem(tmp_path, text)
    assert expected in message
    assert "tiny" not in message
