"""Databases named by the configuration: nothing is sent in the clear beyond loopback unless that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from eiha.errors import ConfigurationError
from eiha.node.config import NodeConfig
from eiha.node.config_reader import read_config
from eiha.node.databases import check_datasources, plain_databases

LEAST = '[cluster]\nnode = "node1"\nsecret = "a-secret-for-tests"\n'


def read(tmp_path: Path, url: str, keys: str = "") -> NodeConfig:
    path = tmp_path / "node.toml"
    path.write_text(f'{LEAST}[datasources.stores]\nurl = "{url}"\n{keys}\n')
    return read_config(path, {})


@pytest.mark.parametrize("host", ["db.example", "10.0.0.7", "[2001:db8::1]:3306"])
def test_a_database_beyond_loopback_needs_tls_or_a_word(tmp_path: Path, host: str) -> None:
    url = f"mysql://u:topsecret@{host}/eiha"
    with pytest.raises(ConfigurationError, match=r"datasources\.stores\.url: .*without encryption") as refused:
        check_datasources(read(tmp_path, url))
    assert 'datasources.stores.tls = "on"' in str(refused.value)
    assert "datasources.stores.allow_plaintext = true" in str(refused.value)
    assert "topsecret" not in str(refused.value)
    allowed = read(tmp_path, url, "allow_plaintext = true")
    check_datasources(allowed)
    (told,) = plain_databases(allowed)
    assert "datasources.stores.allow_plaintext says so" in told
    for encrypted in (read(tmp_path, url, 'tls = "on"'), read(tmp_path, url, 'tls_ca = "/etc/ca.pem"')):
        check_datasources(encrypted)
        assert plain_databases(encrypted) == []
    with pytest.raises(ConfigurationError, match="without encryption"):
        check_datasources(read(tmp_path, url, 'tls = "off"'))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:p@127.0.0.1:3306/eiha",
        "mariadb://u:p@localhost/eiha",
        "mysql://u:p@[::1]/eiha",
        "mysql://u:p@db/eiha?unix_socket=/run/mysqld/mysqld.sock",
        "mysql://u:p@db/eiha?ssl_ca=/etc/ca.pem",
        "sqlite:///var/x.db",
    ],
)
def test_what_does_not_leave_the_machine_or_is_encrypted_is_taken(tmp_path: Path, url: str) -> None:
    config = read(tmp_path, url)
    check_datasources(config)
    assert plain_databases(config) == []
