"""Variants of recorded cases: another window, output, operator, time, mode, restart: what a case does not show yet.

``python -m tests.siddhi.fuzz --variants tests/conformance/cases/joins-*.jsonl`` runs them on both engines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

Case = dict[str, Any]

STEPS_MAX = 60
"""What a longer case shows beyond that is seldom new, and it takes longer to make small."""

_TRIES_MAX = 40
"""Changes tried: many have nothing to change in a given case."""

_KEPT = ("area", "feature", "app", "mode", "start", "input", "streams", "queries", "ondemand", "tables", "row_order")
_KEPT_TOO = ("purging", "restore_before_start", "playback_start")

_TIME = r"\d+\s*(?:ms|millisec|milliseconds|sec|second|seconds|min|minute|minutes)\b"
_WINDOWS = {
    "count": (
        "length({0})",
        "lengthBatch({0})",
        "batch()",
        "sort({0}, {number})",
        "timeLength(1 sec, {0})",
        "delay(1 sec)",
    ),
    "time": ("time({0})", "timeBatch({0})", "timeLength({0}, 2)", "delay({0})", "session({0})", "timeBatch({0}, true)"),
    "external": (
        "externalTime({0}, {1})",
        "externalTimeBatch({0}, {1})",
        "externalTimeBatch({0}, {1}, 0)",
        "time({1})",
    ),
}
_RATES = (
    *(
        "output every 2 events",
        "output first every 2 events",
        "output last every 3 events",
        "output all every 3 events",
    ),
    *("output first every 1 sec", "output last every 1 sec", "output every 1 sec", "output snapshot every 1 sec"),
)


_KNOWN = (
    ("ADR 16: namespaces", r"\b(?:unique|str|math|time|json|map|list|reorder|regex):\w"),
    ("ADR 13: shared_batch_timer", r"partition with.*timeBatch\("),
    ("ADR 13: sequence_minimum", r"from [^;>]*(?:<\d+:?\d*>[^;>]*, |, [^;>]*(?:<\d+:?\d*>|\+)\s*(?:within|select))"),
    ("ADR 13: lost_output", r"output first every \d+ *(?:milli|sec|min)|output first every 1 event"),
    ("ADR 13: integer_average", r"define aggregation[^;]*\bavg\("),
    ("ADR 13: tables with keys", r"@(?:PrimaryKey|Index)\("),
    ("ADR 14: deletion", r"\bdelete \w+"),
)
"""Of these forms some rows differ as the language says what Siddhi does not do."""


def read(paths: Iterable[Path]) -> list[Case]:
    """The cases of files that run; those of restored headers and hidden text are left out."""
    cases = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [each for each in cases if "recorded_app" not in each and "@Plan" not in each["app"]]


def variant(case: Case, seed: int) -> Case:
    """The variant with that number of a case, the same in every process."""
    random = Random(f"{seed} {case['name']}")
    made: Case = {name: case[name] for name in (*_KEPT, *_KEPT_TOO) if name in case}
    made["name"] = f"differential.{case['name']}.{seed}"
    made["input"] = made["input"][:STEPS_MAX]
    if any(mark in made["app"] for mark in ("@PrimaryKey", "@Index", "define aggregation")):
        made["row_order"] = "any"
    if "ondemand" in made:
        made["ondemand"] = [each for each in made["ondemand"] if each[0] < len(made["input"])]
    wanted = random.choice((1, 1, 2, 3))
    for _ in range(_TRIES_MAX):
        before = dict(made)
        random.choice(_TEXT_CHANGES if random.random() < 0.8 else _STEP_CHANGES)(made, random)
        wanted -= made != before
        if wanted == 0:
            break
    return made


def known(case: Case) -> str | None:
    """Why ``case`` may differ on purpose; None if nothing is known of it."""
    app = case["app"]
    restarts = any(step[1] in ("@persist_restore", "@restart_restore", "@restore") for step in case["input"])
    for reason, pattern in _KNOWN:
        if re.search(pattern, app, re.IGNORECASE | re.DOTALL):
            return reason
    if restarts and re.search(r"\b(?:timeBatch|lossyFrequent|timeLength|stdDev)\(", app, re.IGNORECASE):
        return "ADR 11: what is restored"
    if case["mode"] == "playback" and re.search(r"from\s+(?:every\s+)?\(?\s*not\s+\w+[^;]*?\bfor\b", app):
        return "ADR 13: playback_clock_zero"
    return None


def smaller(case: Case) -> Iterator[Case]:
    """The same with fewer steps."""
    steps, size = case["input"], len(case["input"]) // 2
    while size >= 1:
        for start in range(0, len(steps), size):
            asked = [each for each in case.get("ondemand", ()) if not start <= each[0] < start + size]
            moved = [[at - size if at >= start + size else at, text] for at, text in asked]
            yield {**case, "input": steps[:start] + steps[start + size :], **({"ondemand": moved} if moved else {})}
        size //= 2


def _replaced(case: Case, random: Random, pattern: str, new: Callable[[re.Match[str]], str]) -> None:
    """One of the places that match ``pattern`` becomes what ``new`` makes of it."""
    places = list(re.finditer(pattern, case["app"], re.IGNORECASE))
    if places:
        place = random.choice(places)
        case["app"] = case["app"][: place.start()] + new(place) + case["app"][place.end() :]


def _other_window(case: Case, random: Random) -> None:
    numbers = re.findall(r"(\w+) (?:int|long|double|float)\b", case["app"])

    def new(place: re.Match[str]) -> str:
        arguments = [each.strip() for each in place[2].split(",")]
        if len(arguments) > 1 and re.fullmatch(_TIME, arguments[1]):
            kind = "external"
        elif re.fullmatch(_TIME, arguments[0]):
            kind = "time"
        else:
            kind = "count"
            arguments[0] = arguments[0] if arguments[0].isdigit() else "2"
        number = random.choice(numbers) if numbers else "n"
        return place[1] + random.choice(_WINDOWS[kind]).format(*arguments, number=number)

    _replaced(case, random, r"(#window\.|\) )\w+\(([^()]*)\)(?!\s*[<>=])", new)


def _new_window(case: Case, random: Random) -> None:
    windows = ("length(2)", "lengthBatch(2)", "time(1 sec)", "timeBatch(1 sec)", "batch()", "timeLength(1 sec, 2)")
    _replaced(
        case,
        random,
        r"from \w+(?=\s+(?:select|join|left|insert))",
        lambda at: f"{at[0]}#window.{random.choice(windows)}",
    )


def _no_window(case: Case, random: Random) -> None:
    _replaced(case, random, r"#window\.\w+\([^()]*\)", lambda _: "")


def _other_kind(case: Case, random: Random) -> None:
    kinds = ("insert into", "insert all events into", "insert expired events into", "insert current events into")
    _replaced(
        case, random, r"(?<!or )insert\s+(?:(?:all|expired|current)\s+events\s+)?into", lambda _: random.choice(kinds)
    )


def _other_aggregate(case: Case, random: Random) -> None:
    names = ("sum", "avg", "min", "max", "count", "distinctCount", "stdDev", "minForever", "maxForever")
    _replaced(case, random, r"\b(?:sum|avg|min|max|stdDev|minForever|maxForever)(?=\()", lambda _: random.choice(names))


def _other_sign(case: Case, random: Random) -> None:
    signs = ("<", "<=", ">", ">=", "==", "!=")
    _replaced(case, random, r"(?<= )(?:<=|>=|==|!=|<|>)(?= )", lambda _: random.choice(signs))


def _other_number(case: Case, random: Random) -> None:
    _replaced(
        case,
        random,
        r"(?<![\w'.:*-])\d{1,3}(?![\w'.:*])",
        lambda at: str(max(0, int(at[0]) + random.choice((-1, 1, 2)))),
    )


def _other_time(case: Case, random: Random) -> None:
    times = ("100 milliseconds", "500 milliseconds", "1 sec", "2 sec", "5 sec", "1 min")
    _replaced(case, random, _TIME, lambda _: random.choice(times))


def _other_logic(case: Case, random: Random) -> None:
    _replaced(case, random, r"\b(?:and|or)\b(?! insert)", lambda at: "or" if at[0].lower() == "and" else "and")


def _other_join(case: Case, random: Random) -> None:
    kinds = ("join", "inner join", "left outer join", "right outer join", "full outer join")
    _replaced(
        case, random, r"\b(?:(?:inner|left outer|right outer|full outer)\s+)?join\b", lambda _: random.choice(kinds)
    )


def _one_way(case: Case, random: Random) -> None:
    if "unidirectional" in case["app"]:
        _replaced(case, random, r"\s+unidirectional\b", lambda _: "")
    else:
        _replaced(
            case,
            random,
            r"\s+(?:left outer |right outer |full outer |inner )?join\b",
            lambda at: f" unidirectional{at[0]}",
        )


def _every(case: Case, random: Random) -> None:
    if random.random() < 0.5:
        _replaced(case, random, r"\bevery (?!\d)", lambda _: "")
    else:
        _replaced(case, random, r"(?:->|(?<=from ))(?=\s*(?:e\d|not))", lambda at: f"{at[0]} every ")


def _other_count(case: Case, random: Random) -> None:
    counts = ("", "<2>", "<1:2>", "<0:2>", "<2:>", "<:2>", "*", "+", "?")
    pattern = r"<\d*:?\d*>|(?<=[\])])[+*?]|(?<=e\d=S\d)(?=[ ,])|(?<=[e]\d=\w)(?=[ ,])"
    _replaced(case, random, pattern, lambda _: random.choice(counts))


def _other_order(case: Case, random: Random) -> None:
    if random.random() < 0.5:
        _replaced(case, random, r"\s->\s", lambda _: ", ")
    else:
        _replaced(case, random, r"(?<=[\])\w]), (?=(?:not|e\d))", lambda _: " -> ")


def _within(case: Case, random: Random) -> None:
    if random.random() < 0.3:
        _replaced(case, random, rf"\s+within {_TIME}", lambda _: "")
    else:
        times = ("500 milliseconds", "1 sec", "3 sec")
        _replaced(case, random, r"(?<=[\])\w])(?=\s+select [^;]*e\d)", lambda _: f" within {random.choice(times)}")


def _absent(case: Case, random: Random) -> None:
    if random.random() < 0.5:
        _replaced(case, random, rf"\s+for {_TIME}", lambda _: "")
    else:
        _replaced(
            case,
            random,
            r"(?:->|,|and|or) e\d+=(\w+(?:\[[^\[\]]*\])?)",
            lambda at: f"{at[0].split()[0]} not {at[1]} for 1 sec",
        )


def _clause(case: Case, random: Random) -> None:
    """A clause before the output goes or comes."""
    clauses = ("limit 1", "limit 2", "limit 2 offset 1", "offset 1", *_RATES, *_RATES)
    _replaced(
        case, random, r"\s(?=(?:insert|update|delete)\b(?! into [^;]*\bset))", lambda _: f" {random.choice(clauses)} "
    )


def _ordered(case: Case, random: Random) -> None:
    names = re.findall(r" as (\w+)", case["app"])
    if names:
        way = random.choice(("", " asc", " desc"))
        _replaced(case, random, r"\s(?=(?:insert|output|limit)\b)", lambda _: f" order by {random.choice(names)}{way} ")


def _having(case: Case, random: Random) -> None:
    names = re.findall(r"\) as (\w+)", case["app"])
    if names:
        bound = random.choice(("> 2", "!= 1", "is null", "< 10"))
        _replaced(
            case, random, r"\s(?=(?:insert|output|limit|order)\b)", lambda _: f" having {random.choice(names)} {bound} "
        )


def _no_clause(case: Case, random: Random) -> None:
    clause = (
        r"group by [\w., ]+?|having [^;]*?|order by [\w., ]+?|limit \d+|offset \d+|output (?!all ev|cur|exp)[\w ]+?"
    )
    behind = r"(?=\s+(?:group|having|order|limit|offset|output|insert|delete|update)\b)"
    _replaced(case, random, rf"\s+(?:{clause}){behind}", lambda _: "")


def _no_filter(case: Case, random: Random) -> None:
    _replaced(case, random, r"(?<=\w)\[[^\[\]]*\](?!\.)", lambda _: "")


def _other_type(case: Case, random: Random) -> None:
    wider = {
        "int": ("long", "float", "double"),
        "long": ("float", "double"),
        "float": ("double",),
        "double": ("float",),
    }
    _replaced(
        case, random, r"(?<=\w )(?:int|long|float|double)(?=[,)])", lambda at: random.choice(wider[at[0].lower()])
    )


def _other_statement(case: Case, random: Random) -> None:
    _replaced(
        case,
        random,
        r"\b(?:update or insert into|update|delete)(?= \w+)",
        lambda _: random.choice(("update or insert into", "update", "delete")),
    )


def _other_events(case: Case, random: Random) -> None:
    _replaced(
        case,
        random,
        r"\boutput (?:all|current|expired) events|(?<=\))(?=;\s*(?:define|from|@|partition))",
        lambda _: random.choice((" output all events", " output current events", " output expired events")),
    )


def _other_key(case: Case, random: Random) -> None:
    _replaced(
        case,
        random,
        r"@PrimaryKey\('[^)]*\)|@Index\('[^)]*\)",
        lambda at: random.choice(("", at[0].replace("PrimaryKey", "Index"), at[0].replace("Index", "PrimaryKey"))),
    )


def _other_mode(case: Case, _: Random) -> None:
    if "playback" not in case["app"]:
        case["mode"] = "live" if case["mode"] == "playback" else "playback"


def _nulls(case: Case, random: Random) -> None:
    share = random.choice((0.1, 0.3))
    case["input"] = [
        [*each[:2], [None if random.random() < share else value for value in each[2]], *each[3:]]
        if not each[1].startswith("@") and random.random() < 0.5
        else each
        for each in case["input"]
    ]


def _shuffled(case: Case, random: Random) -> None:
    """The values of events of one stream change places."""
    places = [place for place, each in enumerate(case["input"]) if not each[1].startswith("@")]
    steps = list(case["input"])
    for stream in {steps[place][1] for place in places}:
        own = [place for place in places if steps[place][1] == stream]
        values = [steps[place][2] for place in own]
        random.shuffle(values)
        for place, value in zip(own, values, strict=True):
            steps[place] = [*steps[place][:2], value, *steps[place][3:]]
    case["input"] = steps


def _calls(case: Case, random: Random) -> None:
    """Steps of one stream become one call."""
    steps: list[list[Any]] = []
    if "ondemand" in case:
        return
    for each in case["input"]:
        is_event = not each[1].startswith("@") and len(each) == 3
        last = steps[-1] if steps else None
        if last and is_event and last[1] == f"@batch:{each[1]}" and random.random() < 0.6:
            last[0] = each[0]
            last[2].append([each[0], each[2]])
        elif is_event and random.random() < 0.6:
            steps.append([each[0], f"@batch:{each[1]}", [[each[0], each[2]]]])
        else:
            steps.append(each)
    case["input"] = steps


def _restart(case: Case, random: Random) -> None:
    if "ondemand" in case or not case["input"]:
        return
    place = random.randrange(len(case["input"]))
    at_ms = case["input"][place][0]
    case["input"] = [*case["input"][:place], [at_ms, "@persist_restore"], *case["input"][place:]]


def _paces(case: Case, random: Random) -> None:
    """Times are drawn out or drawn together."""
    factor = random.choice((0.1, 0.5, 3, 10))
    start = case["start"]
    if any(each[1].startswith("@batch") or len(each) > 3 for each in case["input"]):
        return
    case["input"] = [[round(start + (each[0] - start) * factor), *each[1:]] for each in case["input"]]


_TEXT_CHANGES = (
    *(_other_window, _other_window, _new_window, _no_window, _other_kind, _other_kind, _other_aggregate, _other_sign),
    *(_other_number, _other_time, _other_logic, _other_join, _one_way, _every, _other_count, _other_order, _within),
    *(_absent, _clause, _clause, _ordered, _having, _no_clause, _no_filter, _other_type, _other_statement),
    *(_other_events, _other_key),
)
_STEP_CHANGES = (_other_mode, _nulls, _shuffled, _calls, _restart, _paces)
