"""``output ... every n events`` and ``every t``: the last stage of a query, behind its select.

May import operators, aggregators and windows of the engine; the query runtime and ``lower`` import it.
"""
