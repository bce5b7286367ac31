"""Joins: rows that come on one side find their partners among the rows that the other side holds.

``factory`` makes a ``Join`` from the plan; sides own their windows, a ``Trail`` holds rows that leave in order.
Imports windows, tables and operators of the engine, ``plan`` and ``events``; imported by the lowering only.
"""
