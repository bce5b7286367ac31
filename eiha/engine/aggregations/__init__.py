"""Incremental aggregations: buckets of time by group, one level a granularity, kept up to date as rows come.

Imports ``engine.expressions``, ``engine.aggregators`` (indexes), ``engine.jit``, ``events``, ``plan``; used by
``engine.lower`` and by joins and questions that read aggregations.
"""
