"""What the declarations promise: each key is used, each is documented, the examples run as they are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from eiha.node.config import SECTIONS, DatasourceSection, MemberAddress, TlsPortSection
from eiha.node.config_key import declared_keys
from eiha.node.config_reader import read_config
from eiha.node.policy_of_config import policy_of

ROOT = Path(__file__).parents[3]
DECLARING = {"config.py", "config_key.py", "config_reader.py", "config_check.py", "toml_document.py"}
KEYS = sorted(
    {
        declared.name
        for section in [*SECTIONS.values(), DatasourceSection, MemberAddress, TlsPortSection]
        for declared in declared_keys(section)
    }
)


@pytest.fixture(scope="module")
def attributes_read() -> set[str]:
    """Every attribute that the node's code reads, outside the code that reads and checks configurations."""
    found: set[str] = set()
    for path in (ROOT / "eiha" / "node").glob("*.py"):
        if path.name not in DECLARING:
            tree = ast.parse(path.read_text())
            found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found


@pytest.mark.parametrize("name", KEYS)
def test_no_key_is_dead(name: str, attributes_read: set[str]) -> None:
    assert name in attributes_read


def test_the_page_is_current() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "configuration_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_key_has_a_sentence_and_a_section_has_one_too() -> None:
    for section in [*SECTIONS.values(), DatasourceSection, MemberAddress, TlsPortSection]:
        assert section.__doc__
        for declared in declared_keys(section):
            assert declared.facts.doc.endswith("."), declared.name


@pytest.mark.parametrize("name", ["node1.toml", "node2.toml"])
def test_the_examples_are_valid(name: str) -> None:
    config = read_config(ROOT / "examples" / name, {})
    policy_of(config)
    assert {member.node for member in config.cluster.members} == {"node1", "node2"}


def test_the_examples_of_docker_compose_are_valid() -> None:
    for name in ("node1.toml", "node2.toml"):
        environment = {"EIHA_CLUSTER_SECRET": "x" * 12, "EIHA_DB_PASSWORD": "x"}
        policy_of(read_config(ROOT / "examples" / "compose" / name, environment))
