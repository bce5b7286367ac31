"""Windows: which rows a query sees at a time, one kind a file; ``factory`` makes them from plan nodes.

Lives on ``row_store`` (columns that grow at one end and shrink at the other) and kernels that list output rows.
Imports ``engine.jit``, ``engine.operator``, ``plan``, ``events``, ``errors``; imported by the lowering only.
"""
