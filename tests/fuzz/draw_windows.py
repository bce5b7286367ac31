"""Random windows that fit given attributes."""

from __future__ import annotations

from random import Random

from tests.fuzz.draw_expressions import NUMBERS, Attribute, attributes_of

TIMES = ("50 milliseconds", "200 milliseconds", "1 sec", "2 sec", "7 sec")
KEYED = ("session", "frequent", "lossyFrequent", "unique")
JOINED = (
    "length",
    "time",
    "timeLength",
    "lengthBatch",
    "timeBatch",
    "batch",
    "sort",
    "externalTime",
    "session",
    "frequent",
)
NAMED = (
    "length",
    "time",
    "timeLength",
    "lengthBatch",
    "timeBatch",
    "batch",
    "externalTime",
    "externalTimeBatch",
    "delay",
)
ALL = (
    *(
        "length",
        "length",
        "lengthBatch",
        "time",
        "time",
        "timeBatch",
        "timeLength",
        "externalTime",
        "externalTimeBatch",
    ),
    *("batch", "session", "sort", "frequent", "lossyFrequent", "cron", "delay", "hopping", "expression"),
    *("expressionBatch", "unique", "unique"),
)


def window(random: Random, attributes: tuple[Attribute, ...], kinds: tuple[str, ...] = ALL) -> str:
    """``name(arguments)`` of a window."""
    refs = [each.ref for each in attributes]
    times = [each.ref for each in attributes if each.ref.rpartition(".")[2] in ("ts", "triggered_time")]
    texts = [each.ref for each in attributes_of(attributes, "string")]
    kind = random.choice(kinds)
    if (kind.startswith("external") and not times) or (kind in KEYED and not texts):
        kind = "length"
    time, count = random.choice(TIMES), random.randint(1, 5)
    key = random.choice(texts) if texts else ""
    match kind:
        case "length" | "lengthBatch":
            return f"{kind}({count})"
        case "time" | "delay":
            return f"{kind}({time})"
        case "timeBatch":
            return random.choice((f"timeBatch({time})", f"timeBatch({time})", f"timeBatch({time}, 0)"))
        case "timeLength":
            return f"timeLength({time}, {count})"
        case "externalTime":
            return f"externalTime({times[0]}, {time})"
        case "externalTimeBatch":
            more = random.choice(("", "", ", 0", ", 0, 500 milliseconds"))
            return f"externalTimeBatch({times[0]}, {time}{more})"
        case "batch":
            return "batch()"
        case "session":
            return random.choice(
                (f"session({time})", f"session({time}, {key})", f"session({time}, {key}, 40 milliseconds)")
            )
        case "sort":
            numbers = [each.ref for each in attributes_of(attributes, *NUMBERS)] or refs[:1]
            return f"sort({count}, {random.choice(numbers)}{random.choice(('', ', {}'.format(_quoted('desc'))))})"
        case "frequent":
            return random.choice((f"frequent({count})", f"frequent({count}, {key})"))
        case "lossyFrequent":
            return random.choice((f"lossyFrequent(0.3, 0.1, {key})", "lossyFrequent(0.25)"))
        case "cron":
            return f"cron('*/{random.choice((1, 2, 5))} * * * * ?')"
        case "hopping":
            return random.choice(("hopping(2 sec, 500 milliseconds)", "hopping(1 sec, 1 sec)"))
        case "expression" | "expressionBatch":
            return f"{kind}('{_bounds(random, attributes)}')"
        case _:
            return _unique(random, key, time, count, times)


def _quoted(text: str) -> str:
    return f"'{text}'"


def _bounds(random: Random, attributes: tuple[Attribute, ...]) -> str:
    numbers = [each.ref for each in attributes_of(attributes, *NUMBERS) if "." not in each.ref]
    choices = [f"count() <= {random.randint(1, 5)}", "eventTimestamp(last) - eventTimestamp(first) < 1000"]
    if numbers:
        one = random.choice(numbers)
        choices += [f"sum({one}) < 20", f"last.{one} >= first.{one}", f"max({one}) - min({one}) <= 3 or count() < 2"]
        choices.append(f"({one} + last.{one}) % 5 > 0 and avg({one}) < 10")  # looked at row by row
    return random.choice(choices)


def _unique(random: Random, key: str, time: str, count: int, times: list[str]) -> str:
    choices = [
        *(
            f"unique:length({key}, {count})",
            f"unique:time({key}, {time})",
            f"unique:first({key})",
            f"unique:ever({key})",
        ),
        *(f"unique:lengthBatch({key}, {count})", f"unique:timeBatch({key}, {time})"),
        *(f"unique:firstLengthBatch({key}, {count})", f"unique:firstTimeBatch({key}, {time})"),
        f"unique:timeLengthBatch({key}, {time}, {count})",
    ]
    if times:
        choices += [
            f"unique:externalTimeBatch({key}, {times[0]}, {time}{more})" for more in ("", ", 0, 300 milliseconds")
        ]
    return random.choice(choices)
