"""Aggregators of the select clause and the index of groups: accumulators as arrays by group number.

Imports ``engine.kernels``, ``events``, ``plan``; used by ``engine.operators.selector``.
"""
