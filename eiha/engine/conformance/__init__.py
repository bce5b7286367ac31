"""Recorded cases against the engine: read a case, run it, compare, say what differs. Pure; ``eiha test`` is the shell.

Imports ``engine``, ``plan``, ``events``, ``errors``.
"""
