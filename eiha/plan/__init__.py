"""From syntax tree to typed logical plan: bind, rewrite, explain, digest. Pure functions, one stage a file.

Imports ``siddhiql``, ``events``, ``kernel``, ``errors``; knows nothing of arrays or operators.
"""
