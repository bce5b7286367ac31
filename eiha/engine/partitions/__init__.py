"""Partitions at work: which instance a row belongs to, and queries whose state is kept for each instance.

May import everything of the engine except ``plan_runtime`` and ``lower``, which put it to use.
"""
