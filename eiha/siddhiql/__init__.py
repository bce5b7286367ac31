"""SiddhiQL text to syntax tree: lexer, parser, tree with spans, diagnostics, unparse. Pure.

Imports ``events`` (types), ``kernel``, ``errors``; knows no semantics.
"""
