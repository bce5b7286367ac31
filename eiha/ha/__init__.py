"""High availability as pure state machines: roles, election, sequencing, replication, outbox, join, switchover.

``member.Member`` composes them: ``step(input, now) -> effects``. Imports ``protocol``, ``events``, ``kernel``,
``errors``; never the engine, a clock, a socket or a database.
"""
