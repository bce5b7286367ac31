from __future__ import annotations

import pytest

from eiha.errors import ConfigurationError
from eiha.storage.datasource import parse_datasource


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("mysql://u:p@db:3306/eiha", "mysql+aiomysql"),
        ("mariadb://u:p@db/eiha?ssl_ca=/etc/ca.pem", "mariadb+aiomysql"),
        ("mysql+aiomysql://u:p@db/eiha?charset=utf8mb4", "mysql+aiomysql"),
        ("sqlite:///eiha.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:////var/lib/eiha/store.db", "sqlite+aiosqlite"),
    ],
)
def test_an_ordinary_url_is_taken(text: str, driver: str) -> None:
    assert parse_datasource(text).url.drivername == driver


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("mysql://u:topsecret@db/eiha?local_infile=1", "local_infile"),
        ("mysql://u:topsecret@db/eiha?init_command=DROP", "init_command"),
        ("mysql://u:topsecret@db/eiha?read_default_file=/etc/shadow", "read_default_file"),
        ("mysql://u:topsecret@db/eiha?charset=latin1", "utf8mb4"),
        ("mysql://u:topsecret@db", "must name a database"),
        ("mysql+pymysql://u:topsecret@db/eiha", "mysql\\+pymysql"),
        ("postgresql://u:topsecret@db/eiha", "use one of"),
        ("sqlite:///eiha.db?mode=memory", "takes no options"),
        ("sqlite://", "file on disk"),
        ("sqlite:///:memory:", "file on disk"),
        ("sqlite:///file:x?uri=true", "no options"),
        ("sqlite://host/eiha.db", "three slashes"),
        ("topsecret", "must look like"),
        ("mysql://u:topsecret@db:port/eiha", "must look like"),
    ],
)
def test_a_dangerous_or_wrong_url_is_refused_without_its_password(text: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word) as caught:
        parse_datasource(text)
    assert "topsecret" not in str(caught.value)


def test_a_datasource_never_shows_its_password() -> None:
    source = parse_datasource("mysql://u:topsecret@db/eiha")
    assert "topsecret" not in f"{source} {source!r}"
