"""Writes docs/functions.md from the declarations of functions, aggregators and stream processors.

python tools/function_docs.py            write it
python tools/function_docs.py --check    exit 1 if it is not current
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from eiha.plan import stream_functions
from eiha.plan.aggregates import AGGREGATES
from eiha.plan.functions import FUNCTIONS
from eiha.plan.namespaces import tables
from eiha.plan.signatures import Signature

PAGE = Path(__file__).parents[1] / "docs" / "functions.md"

HEAD = """# Functions

<!-- made by tools/function_docs.py from eiha/plan/functions.py, aggregates.py and namespaces/; do not edit -->

What plans may call. `<type> name` is an argument, `[...]` may be left out, `...` may be repeated, `|` parts types.
`number` is int, long, float or double, `whole` int or long, `fraction` float or double, `scalar` anything but an
object. Every example on this page is a test.

The namespaces `str:`, `math:`, `time:`, `regex:`, `json:`, `map:` and `list:` take the place of Siddhi's extensions
of these names. Three rules hold for all of them:

- A null argument gives null, unless the text says that nulls are values.
- **What cannot be computed is null**: a place beyond a text, a date that does not fit its format, a document without
  the path. Siddhi's extensions drop such an event for the query instead. A constant that can never work (a regular
  expression, a date format, a time zone, a unit) refuses the plan.
- Strings are looked at once per distinct value of a batch, not once per event.

Regular expressions are Java's, without class intersections and properties of scripts. Dates are those of
`SimpleDateFormat`, in English; times are UTC unless a zone is named, whatever the zone of the machine. Objects that
these functions make are never changed: `map:put` gives another map. A key 1 and a key 1.0 of a map are one key.

Both nodes of a pair must come to the same result, so they need the same C library (for the last bit of `math:sin` and
its like) and the same time zone data.
"""

OWN = """## Functions of your own

Within a plan, in Python; `data` is the list of the arguments, None is null:

```
define function discount[python] return double {
    amount, kind = data
    return amount * 0.9 if kind == 'member' else amount
};
from Orders select discount(amount, kind) as price insert into Prices;
```

From a package, by decorators of `eiha.extensions`:

```python
from eiha.extensions import aggregator, scalar_function, stream_processor, window

@scalar_function("esb:fee", "amount double, kind string -> double", deterministic=True)
def fee(amount, kind):
    return amount * (0.02 if kind == "card" else 0.01)
```

`columnar=True` hands over NumPy arrays, masked where there are nulls, once a batch. An aggregator is a class with
`add`, `remove`, `value`, `snapshot` and `restore`; a stream processor gives any number of rows for each, with the
attributes it `adds`; a window is a class with `receive`, `fire`, `timer_ms`, `snapshot` and `restore`. A package is
found if it names a module under the entry point group `eiha.extensions`:

```toml
[project.entry-points."eiha.extensions"]
esb = "esb_rules"
```

**Deterministic or not at all.** Both nodes apply the same log and must hold the same state. So `deterministic=True`
must be declared, and a function within a plan may import only modules whose functions depend on their arguments
(`math`, `re`, `json`, `hashlib`, ...), and may not call `open`, `hash`, `id` and the like. Time is
`currentTimeMillis()`, randomness `math:rand()`. Do not let the order of a Python set show in a result. Both nodes
need the same versions of the same packages.

What such code raises is a fault of the event: it is dropped for that query and said in the log. Plans with foreign
code are fed one chunk at a time, which costs speed; `on_error="null"` makes the result null instead and keeps batches
whole.

In the body of a function within a plan, `//` begins a comment for the search of the closing brace: let the brace
stand on a line of its own. Other script languages (`javascript`, `r`, `scala`) are refused as `function.<language>`.
"""

_TITLES = {
    "": "Core",
    "str": "str: text",
    "math": "math: numbers",
    "time": "time: dates",
    "regex": "regex: regular expressions",
    "json": "json: documents",
    "map": "map: maps",
    "list": "list: lists",
}


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for namespace, title in _TITLES.items():
        parts.append(_namespace(namespace, title))
    parts.append(OWN)
    return "\n".join(parts)


def _namespace(namespace: str, title: str) -> str:
    lines = [f"## {title}", "", *_table("Functions", _of(namespace, FUNCTIONS.values()))]
    if namespace:
        lines += _table("Aggregators", _of(namespace, tables.AGGREGATORS.values()))
        lines += _table("Stream processors", _of(namespace, [signature for signature, _ in tables.PROCESSORS.values()]))
    else:
        lines += ["", "**Aggregators**", "", "| form | meaning |", "|---|---|"]
        lines += [f"| {_code(each.form)} | {each.summary} |" for each in AGGREGATES.values()]
        lines += ["", "**Stream functions**", "", "| form | meaning |", "|---|---|"]
        meanings = {
            "log": "Nothing: the engine states facts and writes no log; the rows pass.",
            "pol2Cart": "Adds `x` and `y` (and `z`) to angle (in degrees) and radius.",
        }
        for name, meaning in meanings.items():
            lines.append(f"| {'<br>'.join(_code(form) for form in stream_functions.forms(name))} | {meaning} |")
    return "\n".join([*lines, ""])


def _of(namespace: str, signatures: Iterable[Signature]) -> list[Signature]:
    found = [each for each in signatures if each.name.rpartition(":")[0] == namespace]
    return sorted(found, key=lambda each: each.name.lower())


def _table(title: str, signatures: list[Signature]) -> list[str]:
    if not signatures:
        return []
    lines = ["", f"**{title}**", "", "| form | meaning | example |", "|---|---|---|"]
    for each in signatures:
        forms = "<br>".join(_code(form) for form in each.forms)
        examples = "<br>".join(f"{_code(expression)} → {_code(value)}" for expression, value in each.examples)
        lines.append(f"| {forms} | {each.summary.replace('|', chr(92) + '|')} | {examples} |")
    return lines


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def main() -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    options = parser.parse_args()
    text = page()
    if options.check:
        return 0 if PAGE.exists() and PAGE.read_text() == text else 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
