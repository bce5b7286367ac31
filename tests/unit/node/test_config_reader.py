from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eiha.errors import ConfigurationError
from eiha.node.config import SECTIONS, DatasourceSection, MemberAddress, NodeConfig
from eiha.node.config_key import DeclaredKey, declared_keys
from eiha.node.config_reader import read_config
from eiha.node.databases import error_source, turns

SECRET = "a-secret-for-tests"
LEAST = f'[cluster]\nnode = "node1"\nsecret = "{SECRET}"\n'
SCALAR_KEYS = [
    (section, declared)
    for section, declaration in SECTIONS.items()
    for declared in declared_keys(declaration)
    if declared.name != "members"
]
IDS = [f"{section}.{declared.name}" for section, declared in SCALAR_KEYS]


def read(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> NodeConfig:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return read_config(path, environment or {})


def problem(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text, environment)
    return str(caught.value)


def with_key(section: str, name: str, literal: str) -> str:
    """The least configuration with one key more, or another value of one of its keys."""
    if section == "cluster":
        kept = "\n".join(line for line in LEAST.splitlines() if not line.startswith(f"{name} ="))
        return f"{kept}\n{name} = {literal}\n"
    return f"{LEAST}[{section}]\n{name} = {literal}\n"


def other_value(declared: DeclaredKey) -> Any:
    """A valid value that is not the default."""
    facts = declared.facts
    if facts.choices:
        return next(choice for choice in facts.choices if choice != declared.default)
    if declared.type is bool:
        return not declared.default
    if declared.type is int:
        return declared.default + 2  # no default is at its upper bound, and no port next but one to another's
    if declared.name == "arbiter":
        return "tls://third:11226"
    return "x" * max(facts.minimum or 1, 2)


def literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


def test_the_least_configuration_has_defaults_for_everything_else(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    assert (config.cluster.node, config.cluster.secret) == ("node1", SECRET)
    assert (config.management.port, config.event_sync.port, config.http.port) == (10005, 11224, 9763)
    assert config.datasource("", "witness").url == "sqlite+aiosqlite:///var/eiha.domain/witness.db"


@pytest.mark.parametrize(("section", "declared"), SCALAR_KEYS, ids=IDS)
def test_each_key_is_read_into_its_field(tmp_path: Path, section: str, declared: DeclaredKey) -> None:
    value = other_value(declared)
    text = with_key(section, declared.name, literal(value))
    if declared.name in {"datasource", "event_store", "processed_store", "error_store"}:
        text += f'[datasources.{value}]\nurl = "sqlite+aiosqlite:///x.db"\n'
    if (section, declared.name) == ("witness", "secret"):
        text += 'arbiter = "tls://third:11226"\n'
    if declared.name == "host":
        text += "allow_plaintext = true\n"
    if section == "tls" and declared.name in {"certificate", "private_key", "client_auth"}:
        text += "".join(f'{name} = "x"\n' for name in ("certificate", "ca") if name != declared.name)
    if (section, declared.name) == ("persistence", "durability"):
        text += 'fsync = "every"\n'
    assert getattr(getattr(read(tmp_path, text), section), declared.name) == value


@pytest.mark.parametrize(("section", "declared"), SCALAR_KEYS, ids=IDS)
def test_a_value_of_another_type_is_refused_with_its_line(tmp_path: Path, section: str, declared: DeclaredKey) -> None:
    wrong = '"soon"' if declared.type is not str else "17"
    text = with_key(section, declared.name, wrong)
    message = problem(tmp_path, text)
    line = max(n for n, row in enumerate(text.splitlines(), 1) if row.startswith(f"{declared.name} ="))
    assert f"node.toml:{line}: {section}.{declared.name} must be" in message


@pytest.mark.parametrize(
    ("section", "declared"),
    [(s, d) for s, d in SCALAR_KEYS if d.facts.minimum is not None and d.type is int],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_number_below_its_bound_is_refused(tmp_path: Path, section: str, declared: DeclaredKey) -> None:
    message = problem(tmp_path, with_key(section, declared.name, str(declared.facts.minimum - 1)))
    assert f"{section}.{declared.name} must be at least {declared.facts.minimum}" in message


@pytest.mark.parametrize(
    ("section", "declared"),
    [(s, d) for s, d in SCALAR_KEYS if d.facts.maximum is not None and d.type is int],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_number_above_its_bound_is_refused(tmp_path: Path, section: str, declared: DeclaredKey) -> None:
    message = problem(tmp_path, with_key(section, declared.name, str(declared.facts.maximum + 1)))
    assert f"{section}.{declared.name} must be at most {declared.facts.maximum}" in message


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(tmp_path: Path, section: str) -> None:
    name = next(iter(declared_keys(SECTIONS[section]))).name + "s"
    text = with_key(section, name, "1")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if row.startswith(f"{name} ="))
    assert f"node.toml:{line}: unknown key {section}.{name}; did you mean {name[:-1]!r}?" in problem(tmp_path, text)


def test_an_unknown_section_is_refused_with_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    assert "node.toml:4: unknown section [managment]; did you mean 'management'?" in problem(
        tmp_path, LEAST + "[managment]\nport = 1\n"
    )


def test_every_choice_is_named_when_none_was_taken(tmp_path: Path) -> None:
    assert "must be one of off, interval, every; 'often' is none of them" in problem(
        tmp_path, with_key("persistence", "fsync", '"often"')
    )


def test_all_problems_are_reported_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    message = problem(tmp_path, LEAST + '[http]\nport = "x"\nhots = "y"\n[log]\nlevel = "loud"\n')
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in message.splitlines()] == ["5", "6", "8"]


def test_missing_keys_are_explained(tmp_path: Path) -> None:
    message = problem(tmp_path, "[cluster]\n")
    assert "node.toml:1: cluster.node is missing" in message
    assert "node.toml:1: cluster.secret is missing" in message


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    text = LEAST.replace(SECRET, "${env:CLUSTER_SECRET}")
    assert read(tmp_path, text, {"CLUSTER_SECRET": SECRET}).cluster.secret == SECRET
    assert "node.toml:3: cluster.secret refers to the environment variable CLUSTER_SECRET, which is not set" in problem(
        tmp_path, text
    )


def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    text = LEAST.replace(SECRET, "${file:secret.txt}")
    assert "node.toml:3: cluster.secret refers to the file" in problem(tmp_path, text)
    (tmp_path / "secret.txt").write_text(SECRET + "\n")
    assert read(tmp_path, text).cluster.secret == SECRET


def test_a_secret_is_never_shown_in_an_error(tmp_path: Path) -> None:
    message = problem(tmp_path, LEAST.replace(SECRET, "tiny"))
    assert "cluster.secret must be at least 12 long" in message
    assert "tiny" not in message


def test_an_unknown_kind_of_reference_is_refused(tmp_path: Path) -> None:
    assert "${vault:…} is not known" in problem(tmp_path, LEAST.replace(SECRET, "${vault:x}"))


def test_text_that_is_not_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    assert "not valid TOML" in problem(tmp_path, "[cluster\n")
    assert "line 1" in problem(tmp_path, "[cluster\n")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        read_config(tmp_path / "absent.toml", {})


def test_datasources_are_read_by_name(tmp_path: Path) -> None:
    text = LEAST + '[witness]\ndatasource = "db"\n[datasources.db]\nurl = "mysql+aiomysql://u:${env:PW}@h/d"\n'
    text += "connect_timeout_ms = 700\nlock_wait_s = 5\n"
    config = read(tmp_path, text, {"PW": "p"})
    expected = DatasourceSection(url="mysql+aiomysql://u:p@h/d", connect_timeout_ms=700, lock_wait_s=5)
    assert config.datasource(config.witness.datasource, "witness") == expected


def test_a_datasource_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "node.toml:5: witness.datasource refers to [datasources.db], which is not there" in problem(
        tmp_path, LEAST + '[witness]\ndatasource = "db"\n'
    )


def members(*rows: str) -> str:
    return LEAST + "members = [\n" + "".join(f"  {{ {row} }},\n" for row in rows) + "]\n"


def test_members_are_read_over_several_lines(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        members('node = "node1", host = "h"', 'node = "node2", host = "h", management_port = 7, event_sync_port = 8')
        + 'domain = "after"\n',
    )
    assert config.cluster.members[1] == MemberAddress(node="node2", host="h", management_port=7, event_sync_port=8)
    assert config.cluster.domain == "after"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (('node = "node1", host = "h"', 'node = "node1", host = "i"'), "names 'node1' twice"),
        (('node = "a", host = "h"', 'node = "b", host = "h"'), "but not this one ('node1')"),
        (('node = "node2", host = "0.0.0.0"',), "nobody can dial it"),
        (('node = "node1", host = "h", management_port = 1',), "says that node1 listens on ports 1 and 11224"),
        (('node = "a", host = "h"',) * 3, "must be at most 2 long"),
        (('node = "a"',), "cluster.members.host is missing"),
        (('node = "a", host = "h", prot = 1',), "unknown key cluster.members.prot"),
    ],
)
def test_members_that_cannot_be_right_are_refused(tmp_path: Path, rows: tuple[str, ...], expected: str) -> None:
    message = problem(tmp_path, members(*rows))
    assert expected in message
    assert "node.toml:4" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failure_timeout_ms = 250", "must be at least 3 times heartbeat_interval_ms (300)"),
        ("failure_timeout_ms = 2500\nslow_peer_timeout_ms = 1500", "must be at least failure_timeout_ms (2500)"),
        ("stuck_loop_exit_ms = 1_500", "must be at least stuck_loop_ms (2000)"),
        ("cold_start_wait_ms = 900", "cold_start_wait_ms must be at least failure_timeout_ms (1000)"),
        ('[persistence]\ndurability = "disk"', 'set fsync = "every"'),
        ("[http]\nport = 10005", "http.port is 10005, as is management.port"),
        ('[management]\nadvertised_host = "0.0.0.0"', "must be an address that others can dial"),
        (
            'membership_scheme = "multicast"\n[event_sync]\nhost = "0.0.0.0"',
            "set event_sync.advertised_host to what others dial",
        ),
        (
            '[witness]\narbiter = "third:11226"',
            "witness.arbiter must be tls://host:port or tcp://host:port; 'third:11226' does not begin",
        ),
        ('[witness]\narbiter = "tcp://third"', "'tcp://third' names no port"),
        (
            '[witness]\narbiter = "tcp://third:x"',
            "witness.arbiter must be tls://host:port or tcp://host:port; 'tcp://third:x' is none",
        ),
        ('[witness]\narbiter = "tcp://:11226"', "names no host"),
        ('[witness]\narbiter = "tcp://me@third:11226"', "the secret has a key of its own"),
        ('[witness]\narbiter = "tcp://0.0.0.0:11226"', "nobody can dial it"),
        ('[witness]\nsecret = "long enough a secret"', "witness.arbiter names none"),
        (
            '[witness]\narbiter = "tcp://third:1"\ndatasource = "db"\n[datasources.db]\nurl = "sqlite+aiosqlite:///x"',
            "witness.datasource and witness.arbiter are both given",
        ),
        (
            'members = [{ node = "node1", host = "10.0.0.1" }, { node = "node2", host = "10.0.0.2" }]',
            "witness.datasource is an SQLite file, but the members are on different hosts",
        ),
    ],
)
def test_keys_that_contradict_one_another_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problem(tmp_path, LEAST + text + "\n")


def test_the_error_store_is_where_it_is_said_or_with_the_processed_data(tmp_path: Path) -> None:
    named = (
        LEAST + '[datasources.a]\nurl = "sqlite+aiosqlite:///a.db"\n[datasources.b]\nurl = "sqlite+aiosqlite:///b.db"\n'
    )
    with_processed = read(tmp_path, named + '[analytics]\nprocessed_store = "a"\n')
    assert error_source(with_processed).url.database == "a.db"
    locks = turns(with_processed)
    assert locks["errors"] is locks["processed"] is not locks["events"]
    alone = read(tmp_path, named + '[analytics]\nprocessed_store = "a"\nerror_store = "b"\n')
    assert error_source(alone).url.database == "b.db"
