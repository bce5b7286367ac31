"""Patterns: partial matches as arrays, moved from step to step by a compiled scan; ``factory`` makes them.

A pattern is a query's first stage, fed by several streams. Imports ``engine.jit``, ``engine.expressions``,
``engine.windows.row_store``, ``plan``, ``events``, ``errors``; imported by the lowering only.
"""
