"""A database by URL: what may stand in the URL, and an engine from it.

A connection string is an instruction to the driver, and drivers obey too much: reading client files for the server,
running statements at connect, loading option files or extensions. So drivers and options are an allow-list; anything
else is refused. Passwords never appear in errors.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pymysql.constants import CLIENT
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from eiha.errors import ConfigurationError, StoreUnavailable
from eiha.transport.tls_refusal import tls_remedy

MYSQL_DRIVERS: Final = ("mysql+aiomysql", "mariadb+aiomysql")
SQLITE_DRIVER: Final = "sqlite+aiosqlite"
MYSQL_OPTIONS: Final = ("charset", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket")
_CAUSES_MAX: Final = 10
_WAL_ATTEMPTS: Final = 50
_WAL_PAUSE_S: Final = 0.02
_SHORT_NAMES: Final = {"mysql": "mysql+aiomysql", "mariadb": "mariadb+aiomysql", "sqlite": SQLITE_DRIVER}

MYSQL_SQL_MODE: Final = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO"
"""Strict: a value that does not fit is an error, never cut. Without NO_BACKSLASH_ESCAPES, ANSI_QUOTES: one syntax."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Bounds of a connection pool; names follow the predecessors' datasource keys where they had one."""

    size: int = 5
    overflow_max: int = 5
    wait_ms: int = 10_000
    recycle_s: int = 1_800
    validate: bool = True


@dataclass(frozen=True, slots=True)
class DatabaseTls:
    """Encryption of the connection to a MySQL server. ``mode``: ``on``, ``off`` or ``auto`` (if an authority is named).

    Files in PEM; an empty ``authority`` trusts those of the system.
    """

    mode: str = "auto"
    authority: str = ""
    certificate: str = ""
    private_key: str = ""


@dataclass(frozen=True, slots=True)
class DataSource:
    """A checked database address. ``str`` hides the password."""

    url: URL
    pool: PoolSettings = PoolSettings()
    connect_timeout_s: float = 3.0
    lock_wait_s: int = 1
    tls: DatabaseTls = DatabaseTls()

    @property
    def is_mysql(self) -> bool:
        """MySQL or MariaDB, else SQLite."""
        return self.url.drivername in MYSQL_DRIVERS

    @property
    def is_encrypted(self) -> bool:
        """Whether connections to a server speak TLS."""
        return self.tls.mode == "on" or (self.tls.mode == "auto" and bool(self.tls.authority))

    @property
    def server_host(self) -> str:
        """Where the server is reached over the network; empty for a file or a socket of this machine."""
        if not self.is_mysql or "unix_socket" in self.url.query:
            return ""
        return self.url.host or "localhost"

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def __repr__(self) -> str:
        return f"DataSource({self})"


def parse_datasource(
    text: str,
    *,
    pool: PoolSettings | None = None,
    connect_timeout_s: float = 3.0,
    lock_wait_s: int = 1,
    tls: DatabaseTls | None = None,
) -> DataSource:
    """The data source that ``text`` names, e.g. ``mysql+aiomysql://user:secret@host:3306/eiha`` or
    ``sqlite+aiosqlite:///data/eiha.db``. Short names ``mysql``, ``mariadb``, ``sqlite`` mean the same.

    Raises:
        ConfigurationError: not a URL, or a driver or option that is not allowed; without the password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as cause:
        raise ConfigurationError(
            "a datasource URL must look like mysql+aiomysql://user:password@host:3306/database or "
            "sqlite+aiosqlite:///path/to/file.db (its text is not shown, it may hold a password)"
        ) from cause
    url = url.set(drivername=_SHORT_NAMES.get(url.drivername, url.drivername))
    query = url.query
    settings = tls or DatabaseTls()
    settings = DatabaseTls(
        settings.mode,
        settings.authority or str(query.get("ssl_ca", "")),
        settings.certificate or str(query.get("ssl_cert", "")),
        settings.private_key or str(query.get("ssl_key", "")),
    )
    source = DataSource(url, pool or PoolSettings(), connect_timeout_s, lock_wait_s, settings)
    if source.is_mysql:
        _check_mysql(url)
    elif url.drivername == SQLITE_DRIVER:
        _check_sqlite(url)
    else:
        allowed = ", ".join((*MYSQL_DRIVERS, SQLITE_DRIVER))
        raise ConfigurationError(f"datasource driver {url.drivername!r} is not allowed; use one of {allowed}")
    return source


def _check_mysql(url: URL) -> None:
    for option in url.query:
        if option not in MYSQL_OPTIONS:
            raise ConfigurationError(
                f"datasource option {option!r} is not allowed; {url.drivername} takes {', '.join(MYSQL_OPTIONS)}"
            )
    if url.query.get("charset", "utf8mb4") != "utf8mb4":
        raise ConfigurationError("datasource option 'charset' must be utf8mb4: any other one loses characters")
    if not url.database:
        raise ConfigurationError("a MySQL datasource URL must name a database: …/name at its end")


def _check_sqlite(url: URL) -> None:
    if url.query:
        raise ConfigurationError(f"datasource option {next(iter(url.query))!r} is not allowed; sqlite takes no options")
    if url.host:
        raise ConfigurationError(
            f"an SQLite datasource URL has three slashes before a relative path and four before an absolute one, not "
            f"a host ({url.host!r})"
        )
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ConfigurationError("an SQLite datasource must be a file on disk: sqlite+aiosqlite:///path/to/file.db")


def create_engine(source: DataSource, *, dedicated: bool = False) -> AsyncEngine:
    """An engine whose connections run in autocommit: transactions are begun and ended by explicit statements.

    ``dedicated``: no pool, for those who keep one connection for themselves (witness, sinks).

    Raises:
        ConfigurationError: a certificate file of the URL cannot be used.
    """
    settings: dict[str, Any] = {"hide_parameters": True, "isolation_level": "AUTOCOMMIT"}
    if dedicated:
        settings["poolclass"] = NullPool
    else:
        settings |= {
            "pool_size": source.pool.size,
            "max_overflow": source.pool.overflow_max,
            "pool_timeout": source.pool.wait_ms / 1000,
            "pool_recycle": source.pool.recycle_s,
            "pool_pre_ping": source.pool.validate,
        }
    if source.is_mysql:
        return create_async_engine(_driver_url(source.url), connect_args=_mysql_arguments(source), **settings)
    path = Path(source.url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        _driver_url(source.url), connect_args={"timeout": float(source.lock_wait_s)}, **settings
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _driver_url(url: URL) -> URL:
    return url.set(query={})


def _mysql_arguments(source: DataSource) -> dict[str, Any]:
    query = source.url.query
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": source.connect_timeout_s,
        # the driver never opens a file for the server; ``load_stream`` answers such a request with rows of ours
        "local_infile": False,
        "client_flag": CLIENT.LOCAL_FILES | CLIENT.FOUND_ROWS,
        "init_command": (
            f"SET SESSION sql_mode='{MYSQL_SQL_MODE}', innodb_lock_wait_timeout={int(source.lock_wait_s)}, "
            "time_zone='+00:00', sql_notes=0"
        ),
    }
    if "unix_socket" in query:
        arguments["unix_socket"] = str(query["unix_socket"])
    tls = source.tls
    if source.is_encrypted:
        try:
            context = ssl.create_default_context(cafile=tls.authority or None)
            if tls.certificate:
                context.load_cert_chain(tls.certificate, tls.private_key or tls.certificate)
        except (OSError, ssl.SSLError) as cause:
            raise ConfigurationError(f"a certificate of datasource {source} cannot be used: {cause}") from cause
        arguments["ssl"] = context
    return arguments


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    for attempt in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except connection.dbapi.OperationalError:
            # SQLite does not wait for its lock here, and another process may be making the same file
            if attempt == _WAL_ATTEMPTS - 1:
                raise
            await_only(asyncio.sleep(_WAL_PAUSE_S))
    cursor.close()


def describe(cause: BaseException) -> str:
    """A driver's error in one line, without statement, parameters or password."""
    if isinstance(cause, SQLAlchemyError):
        cause = getattr(cause, "orig", None) or cause
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    text = (" ".join(str(part) for part in cause.args) or type(cause).__name__).splitlines()[0][:300]
    refused = _tls_failure(cause)
    return f"{text}: {tls_remedy(refused)}" if refused is not None else text


def _tls_failure(cause: BaseException) -> ssl.SSLError | None:
    """The TLS failure behind a driver's error, which tells of none."""
    behind: BaseException | None = cause
    for _ in range(_CAUSES_MAX):
        if behind is None or isinstance(behind, ssl.SSLError):
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


def unavailable(source: DataSource, doing: str, cause: BaseException) -> StoreUnavailable:
    """The typed error for a database that did not do ``doing`` now."""
    return StoreUnavailable(f"{doing}: {source} did not do it: {describe(cause)}")


def error_code(cause: BaseException) -> int | None:
    """MySQL's error number, None if ``cause`` is not from MySQL."""
    original = getattr(cause, "orig", None) or cause
    first = original.args[0] if getattr(original, "args", ()) else None
    return first if isinstance(first, int) else None
