"""Typed expressions as functions from rows to columns: Java arithmetic, null rules, conversions, scalar functions.

Imports ``plan.expressions``, ``events``, ``errors``; knows no operators.
"""
