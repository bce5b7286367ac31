"""The pair as pure state machines: roles, election, replication, outbox, switchover; ``member`` composes them.

``Member.step(input, now) -> effects``: no clock, no I/O, no randomness. Shells carry the effects out, in order.
Imports ``protocol``, ``events``, ``kernel`` and ``errors``; never ``engine``, asyncio, sockets or a driver.
"""
