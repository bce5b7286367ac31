"""``eiha certificates``: an authority for one cluster, and certificates for its nodes, arbiter and clients."""

from __future__ import annotations

import argparse
from pathlib import Path

from eiha.transport.issue_certificates import Wanted, issue, make_authority

DEFAULT_DOMAIN = "eiha.domain"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="holds the authority, made if missing, and what is made"
    )
    parser.add_argument("--domain", default=DEFAULT_DOMAIN, help="cluster.domain of the nodes (default: %(default)s)")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--node", metavar="NAME", help="a node's certificate: cluster.node")
    who.add_argument("--arbiter", metavar="NAME", help="an arbiter's certificate")
    who.add_argument("--client", metavar="NAME", help="a client's certificate, where client_auth asks for one")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="HOST",
        help="name or address under which others dial it; repeatable",
    )
    parser.add_argument("--days", type=int, default=397, help="how long it is valid (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Make them; 0. Raises ``ConfigurationError``."""
    out: Path = options.out
    if make_authority(out, f"authority of {options.domain}"):
        print(f"{out / 'ca.pem'}: the authority, which everybody trusts")
        print(f"{out / 'ca.key'}: its key; who has it can be any node, so keep it away from all of them")
    name = options.node or options.arbiter or options.client
    if name is None:
        return 0
    domain = options.domain if options.node else ""
    facts = issue(out, Wanted(name, domain, tuple(options.host), options.days))
    print(f"{out / f'{name}.pem'}: valid to {facts.not_after:%Y-%m-%d}, names {', '.join(facts.names) or 'nobody'}")
    print(f"{out / f'{name}.key'}: its key, which only its owner may read")
    if options.node:
        print(f"pins = {facts.pin!r} pins {name} in cluster.members".replace("'", '"'))
    return 0
