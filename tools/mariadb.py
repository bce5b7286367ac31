"""A private MariaDB server on its own data directory and port, for tests and demos.

    python tools/mariadb.py start --dir D [--port P]    prints its URL once it answers
    python tools/mariadb.py stop --dir D
    python tools/mariadb.py run [--dir D] -- CMD …       CMD with EIHA_TEST_MYSQL_URL set; the server ends with it

A ``mariadbd`` that is installed is used; else, where we are root on a system with apt, ``mariadb-server`` is installed
without starting its service. If ``EIHA_TEST_MYSQL_URL`` is set, nothing is started and that server is used.
Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

URL_VARIABLE: Final = "EIHA_TEST_MYSQL_URL"
USER: Final = "eiha"
PASSWORD: Final = "eiha"
DATABASE: Final = "eiha"
STATE_FILE: Final = "server.json"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
_SYSTEM_PATHS: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin", "/opt/homebrew/bin")

HOW_TO_INSTALL: Final = f"""MariaDB is needed and was not found. One of:
  * install it: apt-get install mariadb-server, dnf install mariadb-server, brew install mariadb
    (its service need not run: a private instance is started on its own directory and port);
  * run this as root on a Debian or Ubuntu: it is then installed for you;
  * point {URL_VARIABLE} at a server: mysql+aiomysql://user:password@host:3306/database
    (the user must be allowed to create and drop databases)."""


_started: Final[list[subprocess.Popen[bytes]]] = []
"""Kept so that none is collected while it runs."""


class ServerError(Exception):
    """The server cannot be had; the text says what to do."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    port: int
    directory: str
    socket: str
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """The address in SQLAlchemy's form."""
        return f"mysql+aiomysql://{USER}:{PASSWORD}@{self.host}:{self.port}/{DATABASE}"


def find_program(*names: str) -> str | None:
    """The path of the first program found, also where only root's PATH looks."""
    search = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_PATHS))
    return next((found for name in names if (found := shutil.which(name, path=search))), None)


def find_or_install() -> tuple[str, str]:
    """``mariadbd`` and ``mariadb-install-db``. Raises ``ServerError`` with instructions."""
    for attempt in range(2):
        daemon = find_program("mariadbd", "mysqld")
        installer = find_program("mariadb-install-db", "mysql_install_db")
        if daemon and installer:
            return daemon, installer
        if attempt == 0:
            if os.geteuid() != 0 or shutil.which("apt-get") is None:
                raise ServerError(HOW_TO_INSTALL)
            _install_with_apt()
    raise ServerError(HOW_TO_INSTALL)


def _install_with_apt() -> None:
    print("installing mariadb-server with apt …", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with _services_stay_off():
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", "mariadb-server"],
        ):
            done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
            if done.returncode and command[1] == "install":
                raise ServerError(f"apt-get could not install mariadb-server.\n{HOW_TO_INSTALL}")


@contextlib.contextmanager
def _services_stay_off() -> Iterator[None]:
    """Debian asks ``policy-rc.d`` whether a package may start its service; 101 is no."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def start(directory: Path, port: int | None = None, bind: str = "127.0.0.1", options: tuple[str, ...] = ()) -> Server:
    """Start a server on ``directory``, or return the one that runs there. Raises ``ServerError``.

    ``bind``: the address it listens on and is reached at. ``options``: further ones of the server's command line.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    running = load(directory)
    if running is not None:
        return running
    daemon, installer = find_or_install()
    data = directory / "data"
    as_user = ["--user=root"] if os.geteuid() == 0 else []
    if not (data / "mysql").is_dir():
        _initialise(installer, data, as_user)
    setup = directory / "setup.sql"
    setup.write_text(_setup_statements())
    server = _launch(daemon, directory, data, setup, [*as_user, *options], (bind, port or _free_port()))
    (directory / STATE_FILE).write_text(json.dumps(asdict(server)))
    return server


def _initialise(installer: str, data: Path, as_user: list[str]) -> None:
    command = [installer, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    temporary = data.parent / "tmp"  # of its own: servers that are made at once must not meet in /tmp
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(
        [*command, "--skip-test-db", *as_user],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise ServerError(f"mariadb-install-db failed on {data}:\n{done.stdout[-2000:]}")


def _setup_statements() -> str:
    """Run by the server at each start: one statement a line."""
    lines = [f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"]
    for host in ("localhost", "127.0.0.1", "%"):
        lines.append(f"CREATE USER IF NOT EXISTS '{USER}'@'{host}' IDENTIFIED BY '{PASSWORD}';")
        lines.append(f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'{host}';")
    return "\n".join(lines) + "\n"


def _launch(
    daemon: str, directory: Path, data: Path, setup: Path, options: list[str], address: tuple[str, int]
) -> Server:
    host, port = address
    # a socket path may have 107 bytes, a test's directory often has more
    socket_path = Path(tempfile.gettempdir()) / f"eiha-mariadb-{os.getpid()}-{port}.sock"
    log = directory / "server.log"
    command = [
        daemon,
        "--no-defaults",
        *options,
        f"--datadir={data}",
        f"--socket={socket_path}",
        f"--port={port}",
        f"--bind-address={host}",
        f"--pid-file={directory / 'server.pid'}",
        f"--log-error={log}",
        f"--init-file={setup}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_bin",
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-buffer-pool-size=256M",
        "--innodb-log-file-size=128M",
        "--max-allowed-packet=64M",
        "--local-infile=1",
        "--performance-schema=0",
    ]
    process = subprocess.Popen(  # it outlives this process unless stopped
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(host, port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else "(no log)"
            raise ServerError(f"mariadbd did not start on {directory}, port {port}. Its log {log} ends:\n{tail}")
        time.sleep(0.02)
    _started.append(process)
    return Server(process.pid, port, str(directory), str(socket_path), host)


def _answers(host: str, port: int) -> bool:
    """Whether a MySQL greeting comes (protocol 10); connections are accepted only after the setup ran."""
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            greeting = connection.recv(5)
            return len(greeting) == 5 and greeting[4] == 10
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def load(directory: Path) -> Server | None:
    """The server that runs on ``directory``, if one does."""
    try:
        server = Server(**json.loads((directory / STATE_FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return server if _is_alive(server.pid) and _answers(server.host, server.port) else None


def stop(directory: Path) -> bool:
    """End the server on ``directory``; False if none ran."""
    try:
        server = Server(**json.loads((directory / STATE_FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return False
    (directory / STATE_FILE).unlink(missing_ok=True)
    if not _is_server(server):
        return False
    os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _is_alive(server.pid):
        if time.monotonic() > deadline:
            os.kill(server.pid, signal.SIGKILL)
        time.sleep(0.02)
    Path(server.socket).unlink(missing_ok=True)
    return True


def kill(directory: Path) -> bool:
    """``kill -9`` the server on ``directory`` and wait until it is gone; False if none ran."""
    server = load(directory.resolve())
    if server is None:
        return False
    os.kill(server.pid, signal.SIGKILL)
    while _is_alive(server.pid):
        time.sleep(0.005)
    return True


def _is_server(server: Server) -> bool:
    """Whether the process is still ours and not another one that got its number."""
    try:
        command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return _is_alive(server.pid) and not Path("/proc/self").exists()
    return f"--port={server.port}".encode() in command.split(b"\0")


def _is_alive(pid: int) -> bool:
    for process in _started:
        if process.pid == pid:
            return process.poll() is None
    try:
        os.kill(pid, 0)
        # a zombie that nobody reaps has ended
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (PermissionError, FileNotFoundError):
        return not Path("/proc/self").exists()


def run(command: list[str], directory: Path | None) -> int:
    """Run ``command`` with the URL in its environment; its exit status."""
    if os.environ.get(URL_VARIABLE):
        return subprocess.run(command, check=False).returncode
    place = directory or Path(tempfile.mkdtemp(prefix="eiha-mariadb-"))
    try:
        server = start(place)
        return subprocess.run(command, env=os.environ | {URL_VARIABLE: server.url}, check=False).returncode
    finally:
        stop(place)
        if directory is None:
            shutil.rmtree(place, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="A private MariaDB server for tests and demos.")
    commands = parser.add_subparsers(dest="command", required=True)
    starter = commands.add_parser("start", help="start a server and print its URL")
    starter.add_argument("--dir", type=Path, required=True)
    starter.add_argument("--port", type=int)
    stopper = commands.add_parser("stop", help="stop the server")
    stopper.add_argument("--dir", type=Path, required=True)
    runner = commands.add_parser("run", help=f"run a command with {URL_VARIABLE} set")
    runner.add_argument("--dir", type=Path)
    runner.add_argument("cmd", nargs=argparse.REMAINDER, metavar="-- CMD")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "start":
                print(os.environ.get(URL_VARIABLE) or start(options.dir, options.port).url, flush=True)
            case "stop":
                stop(options.dir)
            case _:
                command = options.cmd[1:] if options.cmd[:1] == ["--"] else options.cmd
                if not command:
                    parser.error("run needs a command: run -- CMD …")
                return run(command, options.dir)
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
