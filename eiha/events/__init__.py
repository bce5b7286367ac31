"""Events as columns: types, definitions, columns, batches, interned strings, the wire form of a batch.

Imports only ``kernel`` and ``errors``; everything above works on these types.
"""
