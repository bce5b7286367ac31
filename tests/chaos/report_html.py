"""The report as one HTML file that needs nothing else: verdict, checks, times, and a timeline for each act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from tests.chaos.campaign import ACK_BUCKET_S
from tests.chaos.report_svg import histogram, timeline

Document = dict[str, Any]

LIMITS_MS: Final = {
    "takeover after a kill of the active": 500.0,
    "takeover after a partition": 1_000.0,
    "takeover from a silent active (pause)": 1_000.0,
    "gap of a switchover": 100.0,
}
"""What is aimed at, drawn into the histograms: 99 of 100 below it."""

LEGEND: Final = (
    ("r-active", "active, synced"),
    ("r-solo", "active, solo"),
    ("r-passive", "passive"),
    ("r-joining", "starting, joining, promoting"),
    ("r-silent", "does not answer"),
    ("k-kill", "kill"),
    ("k-pause", "pause"),
    ("k-partition", "partition"),
    ("k-outage", "database outage"),
    ("k-disk", "disk"),
    ("k-clock", "clock"),
    ("k-operation", "operation"),
)

STYLE: Final = """
:root { color-scheme: light dark; --bg: #fff; --fg: #1d2430; --soft: #5d6878; --line: #d5dae2; --panel: #f5f7fa;
  --good: #1a7f4b; --bad: #c62828; --active: #2563b8; --solo: #e08a00; --passive: #9fc0e8; --joining: #c9b8e8;
  --silent: #d0d4da; --kill: #c62828; --pause: #7b4bb7; --partition: #0b8a8f; --outage: #8d5a2b; --disk: #4b6b2b;
  --clock: #b0447f; --operation: #5f6b7a; --acks: #6fae8c; }
@media (prefers-color-scheme: dark) { :root { --bg: #12161d; --fg: #e4e8ee; --soft: #9aa5b4; --line: #333b47;
  --panel: #1a2029; --good: #4cc38a; --bad: #ff6b6b; --active: #5b9bf0; --solo: #f0a83a; --passive: #35557e;
  --joining: #5b4a80; --silent: #343a44; --kill: #ff6b6b; --pause: #b48cf0; --partition: #3fc3c8; --outage: #c99663;
  --disk: #93b86b; --clock: #ea86bb; --operation: #98a4b4; --acks: #2f6b4c; } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.verdict { font-size: 1.1rem; font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.soft { color: var(--soft); } code { font-size: .88em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.act { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1rem;
  margin: 1rem 0; }
.act > summary { cursor: pointer; font-weight: 600; }
svg { width: 100%; height: auto; display: block; margin: .6rem 0; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: 1rem; }
.legend span { display: inline-block; margin-right: 1rem; white-space: nowrap; font-size: .85rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: 2px;
  vertical-align: -1px; }
text.label { fill: var(--soft); font-size: 11px; } text.inside { fill: var(--bg); font-size: 10.5px; }
.axis { stroke: var(--line); } .limit { stroke: var(--bad); stroke-dasharray: 4 3; } .lost { stroke: var(--bad);
  stroke-width: 3; } .acks { fill: var(--acks); } .bar { fill: var(--active); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; max-height: 22rem; overflow: auto; }
"""


def html_of(document: Document) -> str:
    """The whole page."""
    summary = document["summary"]
    verdict = "every promise held" if summary["passed"] else "a promise was broken"
    style = "good" if summary["passed"] else "bad"
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["by_kind"].items())
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>eiha: campaign of faults</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}{_colours()}</style></head><body>",
        f'<h1>Campaign of faults</h1><p class="verdict {style}">{verdict}</p>',
        f"<p>{summary['faults']} faults in {summary['acts']} acts: {kinds}. ",
        ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in summary["totals"].items()) + ".</p>",
        *_failures(summary["acts_failed"]),
        "<h2>Promises</h2>",
        _checks(summary["checks"]),
        "<h2>Times</h2>",
        _times(summary["times"]),
        "<h2>Acts</h2>",
        _legend(),
        *(_act(act) for act in document["acts"]),
        "<h2>Faults</h2>",
        _counted(summary["by_fault"]),
        *_unavailable(document["unavailable"]),
        "<h2>How it was run</h2>",
        *_campaigns(document["campaigns"]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _colours() -> str:
    return " ".join(
        f"rect.{name} {{ fill: var(--{name[2:]}); }} i.{name} {{ background: var(--{name[2:]}); }}"
        for name, _ in LEGEND
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if index >= numbers_from else ''}>{cell}</{tag}>" for index, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _checks(checks: Document) -> str:
    rows = []
    for name, check in checks.items():
        told = f"{escape(name)}<br><span class=soft>{escape(check['promise'])}</span>"
        told += "".join(f"<br><code class=bad>{escape(example)}</code>" for example in check["examples"])
        broken = f'<span class="{"bad" if check["broken"] else "good"}">{check["broken"]:,}</span>'
        rows.append((told, f"{check['looked_at']:,}", broken))
    return _table(("promise", "looked at", "broken"), rows, 1)


def _times(times: Document) -> str:
    columns = ("count", "p50", "p90", "p99", "max")
    rows = [
        (
            escape(name),
            *(f"{figures[key]:,.0f}" for key in columns),
            f"{LIMITS_MS[name]:,.0f}" if name in LIMITS_MS else "",
        )
        for name, figures in times.items()
    ]
    drawings = "".join(
        f"<div><b>{escape(name)}</b>{histogram(figures['values'], LIMITS_MS.get(name))}</div>"
        for name, figures in times.items()
    )
    table = _table(("milliseconds", *columns, "aim, p99"), rows, 1)
    return f'{table}<p class=soft>Dashed: what is aimed at.</p><div class="pairs">{drawings}</div>'


def _legend() -> str:
    return (
        '<p class="legend">' + "".join(f'<span><i class="{name}"></i>{text}</span>' for name, text in LEGEND) + "</p>"
    )


def _act(act: Document) -> str:
    what = act["act"]
    style, verdict = ("good", "held") if act["passed"] else ("bad", "broken")
    store = "MariaDB" if what["mariadb"] else "SQLite"
    head = (
        f"act {what['number']}, seed {act['seed']}: {len(act['strikes'])} faults on stage {escape(what['stage'])}, "
        f"{store}, durability {what['durability']}, {act['seconds']:.0f} s "
        f'<span class="{style}">{verdict}</span>'
    )
    columns = ("first ack", "all clients", "longest gap", "rejoin")
    rows = [
        (
            str(strike["number"] + 1),
            escape(strike["what"]),
            f"{strike['at_s']:.1f} s",
            *(_ms(strike[key]) for key in ("takeover_ms", "all_clients_ms", "gap_ms", "rejoin_ms")),
        )
        for strike in act["strikes"]
    ]
    error = f"<pre class=bad>{escape(act['error'])}</pre>" if act["error"] else ""
    return (
        f'<details class="act"{" open" if not act["passed"] or what["number"] == 0 else ""}><summary>{head}</summary>'
        f"{error}{timeline(act, ACK_BUCKET_S)}"
        f"<details><summary>its faults</summary>{_table(('', 'fault', 'at', *columns), rows, 2)}</details>"
        f"<p class=soft>Again: <code>{escape(act['replay'])}</code></p></details>"
    )


def _failures(failed: Sequence[Document]) -> list[str]:
    if not failed:
        return []
    rows = [
        (
            f"act {each['act']}, seed {each['seed']}",
            f"{escape(', '.join(each['broken']))}<pre>{escape(each['error'])}</pre>",
            f"<code>{escape(each['replay'])}</code>",
        )
        for each in failed
    ]
    return ["<h2 class=bad>What failed</h2>", _table(("where", "what", "again"), rows, 9)]


def _counted(counts: Document) -> str:
    return _table(("fault", "times"), ((escape(name), f"{count:,}") for name, count in counts.items()), 1)


def _unavailable(unavailable: Sequence[Document]) -> list[str]:
    if not unavailable:
        return []
    rows = ((escape(each["name"]), escape(each["reason"])) for each in unavailable)
    return ["<h2>Not on this machine</h2>", _table(("what", "why"), rows, 9)]


def _campaigns(campaigns: Sequence[Document]) -> list[str]:
    return [
        f"<p><code>{escape(each['command'])}</code><br><span class=soft>{each['machine']['cpus']} CPUs, "
        f"{escape(each['machine']['system'])}, Python {each['machine']['python']}, load average before "
        f"{each['machine']['load_average_before']}, after {each['machine']['load_average_after']}</span></p>"
        for each in campaigns
    ]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
