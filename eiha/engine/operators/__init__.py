"""Stages of a query that are neither windows nor patterns: filter, stream functions, select.

Imports ``engine.expressions``, ``engine.aggregators``, ``events``, ``plan``; used by ``engine.lower``.
"""
