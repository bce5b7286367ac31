"""docker-compose.yml without an engine: it parses, and what it refers to exists and is valid."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.load import parser as load_parser
from eiha.node.config_reader import read_config

ROOT = Path(__file__).parents[2]
SECRETS = {"EIHA_CLUSTER_SECRET": "a secret of the test", "EIHA_DB_PASSWORD": "a password of the test"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_the_services_of_the_failover_demo_are_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"mysql", "node1", "node2", "load"}


def test_every_mounted_file_and_every_named_volume_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in compose["volumes"]


def test_secrets_come_from_the_environment_only(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(SECRETS)
    assert compose["services"]["node1"]["environment"].keys() == SECRETS.keys()


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_the_nodes_configurations_are_valid(node: str) -> None:
    config = read_config(ROOT / "examples" / "compose" / f"{node}.toml", SECRETS)
    assert config.cluster.node == node
    assert {member.node for member in config.cluster.members} == {"node1", "node2"}


def test_the_load_generators_command_is_one(compose: dict[str, Any]) -> None:
    module, *options = compose["services"]["load"]["command"]
    assert module == "benchmarks.load"
    parsed = load_parser().parse_args(options)
    assert (ROOT / parsed.csv).exists()


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose here; the tests above parse it")
def test_docker_compose_accepts_it() -> None:
    done = subprocess.run(
        ["docker-compose", "config", "--quiet"], cwd=ROOT, env={"PATH": "/usr/bin:/bin", **SECRETS}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
