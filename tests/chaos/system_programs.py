"""Programs of the system that faults need; installed by apt where that is possible, as ``tools/mariadb.py`` does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

_SYSTEM_PATHS: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin")


class ProgramMissing(RuntimeError):
    """A program is not there and cannot be installed; the text says which and how to get it."""


def find(name: str) -> str | None:
    """The path of a program, also where only root's PATH looks."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_PATHS)))


def require(name: str, *, package: str) -> str:
    """The path of a program, installed if need be.

    Raises:
        ProgramMissing: it is not there, and this is not root on a system with apt.
    """
    found = find(name)
    if found is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise ProgramMissing(f"{name} is needed and was not found: install it (apt-get install {package})")
        _install(package)
        found = find(name)
    if found is None:
        raise ProgramMissing(f"{name} is needed, and the package {package} did not bring it")
    return found


def _install(package: str) -> None:
    print(f"installing {package} with apt …", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", package],
    ):
        done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        if done.returncode and command[1] == "install":
            raise ProgramMissing(f"apt-get could not install {package}")
