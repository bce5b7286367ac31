"""The plans under load. Event time drives them (``@app:playback``): their outputs are a function of the log alone."""

from __future__ import annotations

from typing import Final

_STREAM: Final = "define stream Trades (client int, number long, symbol string, price double, volume int);"

PLAN_NAME: Final = "trades"
PLAN: Final = f"""@app:name('{PLAN_NAME}')
@app:playback
@store(type='events')
{_STREAM}

@info(name='average')
from Trades#window.length(500)
select client, number, symbol, avg(price) as average, sum(volume) as traded group by symbol
insert into Average;

@info(name='recent')
from Trades[volume > 500]#window.time(2 sec)
select symbol, count() as trades, max(price) as highest group by symbol
insert into Recent;

@info(name='jump')
from every low=Trades[price < 20] -> high=Trades[symbol == low.symbol and price > 980] within 5 sec
select low.client as low_client, low.number as low_number, high.number as high_number, high.price - low.price as jump
insert into Jump;
"""

TAGGED_NAME: Final = "tagged"
OUTPUTS: Final = {
    "Average": ("client", "number", "symbol", "average", "traded"),
    "Recent": ("symbol", "trades", "highest"),
    "Jump": ("low_client", "low_number", "high_number", "jump"),
    "Seen": ("client", "number", "seen"),
    "Tagged": ("client", "number", "version", "seen"),
}
"""Attributes of each output stream; ``Seen`` and ``Tagged`` are there once their plan was deployed."""

VERSION_AT: Final = 3 + OUTPUTS["Tagged"].index("version")
"""Where a stored row of ``Tagged`` has its version: after sequence, ordinal and event time."""


def tagged_plan(version: int) -> str:
    """A plan that says with each event which version of it is deployed; a replacement keeps the window of ``seen``."""
    return f"""@app:name('{TAGGED_NAME}')
@app:playback
{_STREAM}

@info(name='seen')
from Trades#window.length(40)
select client, number, count() as seen
insert into Seen;

@info(name='tag')
from Seen
select client, number, {version} as version, seen
insert into Tagged;
"""
