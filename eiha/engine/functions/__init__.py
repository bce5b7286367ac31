"""The functions of the namespaces ``str:``, ``math:``, ``time:``, ...: one file each, named as in ``plan.namespaces``.

Plain functions of plain values, or of columns where that pays. Imported by ``engine.expressions.functions`` and
``engine.aggregators.factory``.
"""
