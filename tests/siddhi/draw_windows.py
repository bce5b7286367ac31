"""Random windows of those that Siddhi's core has."""

from __future__ import annotations

from random import Random

from tests.fuzz.draw_expressions import NUMBERS, Attribute, attributes_of

TIMES = ("50 milliseconds", "200 milliseconds", "1 sec", "2 sec", "7 sec")
ALL = (
    *("length", "length", "lengthBatch", "time", "time", "timeBatch", "timeLength", "externalTime"),
    *("externalTimeBatch", "batch", "session", "sort", "frequent", "lossyFrequent", "delay", "cron"),
)


def window(random: Random, attributes: tuple[Attribute, ...], kinds: tuple[str, ...], *, live: bool) -> str:
    """``name(arguments)`` of a window."""
    texts = [each.ref for each in attributes_of(attributes, "string") if "." not in each.ref]
    numbers = [each.ref for each in attributes_of(attributes, *NUMBERS)]
    has_time = any(each.ref == "ts" for each in attributes)
    kind = random.choice(kinds or ALL)
    if (kind.startswith("external") and not has_time) or (kind == "cron" and not live):
        kind = "length"
    time, count = random.choice(TIMES), random.randint(1, 5)
    key = random.choice(texts) if texts else ""
    match kind:
        case "length" | "lengthBatch":
            current = ", true" if kind == "lengthBatch" and random.random() < 0.2 else ""
            return f"{kind}({count}{current})"
        case "time" | "delay":
            return f"{kind}({time})"
        case "timeBatch":
            return random.choice(
                (f"timeBatch({time})", f"timeBatch({time})", f"timeBatch({time}, 0)", f"timeBatch({time}, true)")
            )
        case "timeLength":
            return f"timeLength({time}, {count})"
        case "externalTime":
            return f"externalTime(ts, {time})"
        case "externalTimeBatch":
            return f"externalTimeBatch(ts, {time}{random.choice(('', '', ', 0', ', 0, 500 milliseconds'))})"
        case "batch":
            return random.choice(("batch()", "batch()", "batch(2)"))
        case "session":
            shown = random.choice(("", f", {key}" if key else "", f", {key}, 100 milliseconds" if key else ""))
            return f"session({time}{shown})"
        case "sort" if numbers:
            first, second = random.choice(numbers), random.choice(numbers)
            return random.choice((f"sort({count}, {first})", f"sort({count}, {first}, 'desc', {second}, 'asc')"))
        case "frequent":
            return f"frequent({count}, {key})" if key else f"length({count})"
        case "lossyFrequent":
            return f"lossyFrequent(0.3, 0.1, {key})" if key else f"length({count})"
        case "cron":
            return f"cron('*/{random.choice((1, 2, 5))} * * * * ?')"
        case _:
            return f"length({count})"
