"""What the functions of the namespaces ``str:``, ``math:``, ``time:``, ... take and give, one file a namespace.

Tables only; the array forms live in ``engine.functions`` under the same names. Imported by ``plan.functions`` and
``plan.aggregates``.
"""
