"""Hosts that share nothing but a switch: a network namespace each, joined by a bridge, cut apart by packet filters.

A cut drops packets where they arrive, without a word to the sender, as a broken cable or switch does: no connection is
closed by it. The bridge itself stands in the machine's own namespace, from where a test watches; ``isolate`` leaves its
view of chosen ports open.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.chaos.system_programs import ProgramMissing, find, require

NAME_PREFIX: Final = "eiha"
LEASES: Final = Path("/run")
"""One place for the whole machine, as bridges and namespaces are."""
_FILTER: Final = "inet chaos"


class NamespacesMissing(RuntimeError):
    """Namespaces cannot be had here; the text says why."""


def unavailable() -> str | None:
    """Why there can be no namespaces on this machine; None: there can. Makes one to find out, if root."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        network = Network(("probe",))
        network.open()
        network.close()
    except (NamespacesMissing, ProgramMissing) as reason:
        return str(reason)
    return None


class Network:
    """Hosts by name, each in a namespace and with an address of its own.

    Args:
        hosts: their names.
        residents: names of what runs on this machine itself, beside the bridge, with an address of its own.

    Addresses are taken from 10.213.0.0/16, a subnet for each network that is open on this machine at a time.
    """

    def __init__(self, hosts: Iterable[str], residents: Iterable[str] = ()) -> None:
        self.hosts = tuple(hosts)
        self.residents = tuple(residents)
        self._subnet = -1
        self._lease: int | None = None
        self._rules: dict[str, list[tuple[str, str]]] = {host: [] for host in self.hosts}

    # -- lifecycle

    def open(self) -> None:
        """Make everything.

        Raises:
            NamespacesMissing: the kernel or the container forbids it.
            ProgramMissing: ``ip`` or ``nft`` is not there.
        """
        require("ip", package="iproute2")
        require("nft", package="nftables")
        self._lease_subnet()
        self._remove()  # what a killed run left behind
        lines = [
            f"link add {self._bridge} type bridge forward_delay 0",
            f"addr add {self.observer}/24 dev {self._bridge}",
            f"link set {self._bridge} up",
            *(f"addr add {self.address(resident)}/24 dev {self._bridge}" for resident in self.residents),
        ]
        for index, host in enumerate(self.hosts):
            namespace, outer = self._namespace(host), self._cable(index)
            lines += [
                f"netns add {namespace}",
                f"link add {outer} type veth peer name eth0 netns {namespace}",
                f"link set {outer} master {self._bridge} up",
            ]
        try:
            _ip(lines)
            for host in self.hosts:
                _ip(["link set lo up", f"addr add {self.address(host)}/24 dev eth0", "link set eth0 up"], self, host)
                self._filter(host, f"add table {_FILTER}\n{self._chains()}")
        except subprocess.CalledProcessError as refused:
            self.close()
            raise NamespacesMissing(f"network namespaces cannot be made: {refused.stderr.strip()}") from refused

    def close(self) -> None:
        """Take everything away; may be called again."""
        if self._lease is not None:
            self._remove()
            os.close(self._lease)
            self._lease = None

    def __enter__(self) -> Network:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- where things are

    @property
    def observer(self) -> str:
        """The machine's own address in this network."""
        return f"10.213.{self._subnet}.254"

    def address(self, name: str) -> str:
        """The address of a host or resident."""
        if name in self.residents:
            return f"10.213.{self._subnet}.{200 + self.residents.index(name)}"
        return f"10.213.{self._subnet}.{self.hosts.index(name) + 1}"

    def prefix(self, host: str) -> tuple[str, ...]:
        """Put before a command that is to run at ``host``; it becomes the command, so signals reach that."""
        return (require("ip", package="iproute2"), "netns", "exec", self._namespace(host))

    # -- faults

    def cut(self, host: str, other: str) -> None:
        """Nothing goes from one to the other, either way."""
        self.cut_one_way(host, other)
        self.cut_one_way(other, host)

    def cut_one_way(self, source: str, target: str) -> None:
        """Nothing from ``source`` arrives at ``target``; the other way stays open."""
        if target in self.residents:
            self._drop(source, "leaving", f"ip daddr {self.address(target)}")
        else:
            self._drop(target, "arriving", f"ip saddr {self.address(source)}")

    def isolate(self, host: str, watched_ports: Iterable[int] = ()) -> None:
        """Nobody reaches ``host`` nor is reached by it, but for this machine's view of ``watched_ports``."""
        ports = ", ".join(str(port) for port in watched_ports)
        watched = f"ip saddr {self.observer} tcp dport {{ {ports} }}" if ports else f"ip saddr {self.observer}"
        seen = watched.replace("saddr", "daddr").replace("dport", "sport")
        self._rules[host] += [("arriving", f"{watched} accept"), ("arriving", "iif lo accept")]
        self._rules[host] += [("leaving", f"{seen} accept"), ("leaving", "oif lo accept"), ("leaving", "counter drop")]
        self._drop(host, "arriving", "")

    def deafen(self, host: str, watched_ports: Iterable[int] = ()) -> None:
        """Nothing arrives at ``host``, but for this machine's view of ``watched_ports``; what it sends gets out."""
        ports = ", ".join(str(port) for port in watched_ports)
        watched = f"ip saddr {self.observer} tcp dport {{ {ports} }}" if ports else f"ip saddr {self.observer}"
        self._rules[host] += [("arriving", f"{watched} accept"), ("arriving", "iif lo accept")]
        self._drop(host, "arriving", "")

    def cut_off_clients(self, host: str, ports: Iterable[int]) -> None:
        """Nothing arrives at these ports of ``host``."""
        self._drop(host, "arriving", f"tcp dport {{ {', '.join(str(port) for port in ports)} }}")

    def heal(self) -> None:
        """Every packet arrives again."""
        for host in self.hosts:
            if self._rules[host]:
                self._rules[host] = []
                self._filter(host, self._chains())

    def dropped(self, host: str) -> int:
        """Packets that were dropped at ``host`` since the last change of its rules."""
        words = self._filter(host, f"list table {_FILTER}").split()
        return sum(int(words[at + 1]) for at, word in enumerate(words) if word == "packets")

    def _drop(self, host: str, chain: str, match: str) -> None:
        self._rules[host].append((chain, f"{match} counter drop"))
        added = [f"add rule {_FILTER} {name} {rule}\n" for name, rule in self._rules[host]]
        self._filter(host, self._chains() + "".join(added))

    @staticmethod
    def _chains() -> str:
        return "".join(
            f"add chain {_FILTER} {name} {{ type filter hook {hook} priority 0; policy accept; }}\n"
            f"flush chain {_FILTER} {name}\n"
            for name, hook in (("arriving", "input"), ("leaving", "output"))
        )

    def _filter(self, host: str, rules: str) -> str:
        """All rules of one call come into force together."""
        done = subprocess.run(
            [*self.prefix(host), require("nft", package="nftables"), "-f", "-"],
            input=rules,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, "nft", done.stdout, done.stderr)
        return done.stdout

    # -- names

    @property
    def _bridge(self) -> str:
        return f"{NAME_PREFIX}b{self._subnet}"

    def _cable(self, index: int) -> str:
        return f"{NAME_PREFIX}v{self._subnet}-{index}"

    def _namespace(self, host: str) -> str:
        return f"{NAME_PREFIX}-{self._subnet}-{host}"

    def _lease_subnet(self) -> None:
        """One network a subnet; the lock ends with this process, however that ends."""
        for subnet in range(256):
            path = LEASES / f"eiha-subnet-{subnet}.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self._lease, self._subnet = descriptor, subnet
            return
        raise NamespacesMissing("all 256 subnets are in use")

    def _remove(self) -> None:
        program = find("ip")
        assert program is not None
        namespaces = subprocess.run([program, "netns", "list"], capture_output=True, text=True, check=False).stdout
        ours = [
            line.split()[0] for line in namespaces.splitlines() if line.startswith(f"{NAME_PREFIX}-{self._subnet}-")
        ]
        for namespace in ours:
            subprocess.run([program, "netns", "delete", namespace], capture_output=True, check=False)
        # cables go with the namespace that held their other end; the kernel takes its time, a name does not wait for it
        for index in range(len(ours)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip([f"link delete {self._cable(index)}"])
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip([f"link delete {self._bridge}"])


def _ip(lines: list[str], network: Network | None = None, host: str = "") -> None:
    prefix = network.prefix(host) if network is not None else ()
    done = subprocess.run(
        [*prefix, require("ip", package="iproute2"), "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, "ip", done.stdout, done.stderr)
