"""Writes docs/configuration.md, and the list of metrics in docs/operations.md, from the declarations in the code.

python tools/configuration_docs.py            write both
python tools/configuration_docs.py --check    exit 1 if one is not current
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, get_origin

sys.path.insert(0, str(Path(__file__).parents[1]))

from eiha.node.config import SECTIONS, DatasourceSection, MemberAddress, TlsPortSection
from eiha.node.config_key import DeclaredKey, declared_keys
from eiha.observability.node_metrics import NodeMetrics
from eiha.witness.config import ArbiterSection, ServedCluster

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
OPERATIONS = Path(__file__).parents[1] / "docs" / "operations.md"
METRICS_BEGIN = "<!-- metrics: made by tools/configuration_docs.py -->"
METRICS_END = "<!-- end of metrics -->"

HEAD = """# Configuration

<!-- made by tools/configuration_docs.py from eiha/node/config.py and eiha/witness/config.py; do not edit -->

Each node has one TOML file. `python -m eiha.node --config FILE --check` says whether it is valid, with the line of
everything that is not, and ends with 0 or 78; it also compiles the plans that the file names. Nothing is read that is
not on this page: an unknown key is an error, with the nearest name that exists.

Any text may refer to the environment, `${env:NAME}`, or to a file beside the configuration, `${file:PATH}`, so secrets
need not stand in it. Where a listener has both an address to bind and one to advertise, the second is what others are
told, for networks in which they differ. Times are in milliseconds and sizes in bytes unless the key's name says
otherwise. Paths are relative to the directory the node is started in.

`examples/node1.toml` and `examples/node2.toml` are a pair on one machine that runs as it is.

## What must fit together

- `failure_timeout_ms` is at least three times `heartbeat_interval_ms`: one late heartbeat must not look like a death.
- `cold_start_wait_ms` and `slow_peer_timeout_ms` are not below `failure_timeout_ms`.
- `durability = "disk"` needs `fsync = "every"`.
- The four ports differ, and `members` gives this node the ports it advertises.
- The witness is a database (`datasource`) or an arbiter (`arbiter`), not both.
- SQLite as witness or store only works while both nodes are on one host and name the same file.
- A port whose `host` is not loopback has TLS (a certificate in `[tls]` or `[tls_ports.NAME]`), or the section says
  `allow_plaintext = true`; so does `[witness]` for an arbiter by `tcp://`. `docs/security.md` tells how to set TLS up.
- TLS between the members needs `tls.ca`, since both show certificates; so does any `client_auth` but `none`.
- Both nodes have the same `domain`, `secret`, `digest_interval_entries`, plans, datasources and arbiter.
"""

ARBITER = """## The arbiter's file

`python -m eiha.witness --config FILE` reads a file of its own, by the same rules; `--check` checks it.
`examples/witness.toml` is one that runs as it is. Its section `[log]` has the keys of a node's.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for name, section in SECTIONS.items():
        parts.append(_section(f"[{name}]", section))
        if name == "cluster":
            parts.append(_section("cluster.members", MemberAddress))
        if name == "persistence":
            parts.append(_section("[datasources.NAME]", DatasourceSection))
        if name == "tls":
            parts.append(_section("[tls_ports.NAME]", TlsPortSection))
    parts += [ARBITER, _section("[arbiter]", ArbiterSection), _section("arbiter.clusters", ServedCluster)]
    return "\n".join(parts)


def _section(title: str, section: type[Any]) -> str:
    lines = [
        f"## `{title}`",
        "",
        (section.__doc__ or "").strip().replace("``", "`"),
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{declared.name}` | {_type(declared)} | {_default(declared)} | {_meaning(declared)} |"
        for declared in declared_keys(section)
    ]
    return "\n".join(lines) + "\n"


def _type(declared: DeclaredKey) -> str:
    if declared.facts.choices:
        return " \\| ".join(f"`{choice}`" for choice in declared.facts.choices)
    if get_origin(declared.type) is tuple:
        return "list of tables"
    names: dict[Any, str] = {str: "text", int: "number", bool: "true or false"}
    return names[declared.type]


def _default(declared: DeclaredKey) -> str:
    if declared.facts.required:
        return "**required**"
    value = declared.default
    if value in ("", ()):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(declared: DeclaredKey) -> str:
    facts = declared.facts
    text = facts.doc.replace("|", "\\|")
    if declared.type is int and facts.minimum is not None:
        text += f" From {facts.minimum} to {facts.maximum}." if facts.maximum is not None else f" From {facts.minimum}."
    return text


def operations() -> str:
    """``docs/operations.md`` with its list of metrics as the code declares them."""
    text = OPERATIONS.read_text(encoding="utf-8")
    before, _, rest = text.partition(METRICS_BEGIN)
    _, _, after = rest.partition(METRICS_END)
    rows = [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in NodeMetrics().registry.names()]
    table = "\n".join(["| name | type | meaning |", "|---|---|---|", *rows])
    return f"{before}{METRICS_BEGIN}\n{table}\n{METRICS_END}{after}"


def main() -> int:
    """Write or check both pages."""
    parser = argparse.ArgumentParser(description="Write what the documentation takes from the code.")
    parser.add_argument("--check", action="store_true", help="only say whether the pages are current")
    options = parser.parse_args()
    stale = [
        (path, text)
        for path, text in ((PAGE, page()), (OPERATIONS, operations()))
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if options.check:
            print(f"{path} is not current: run python tools/configuration_docs.py", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
