"""The columnar runtime: compiled expressions, operators, windows, patterns, plans over log entries, snapshots.

Pure and synchronous. Imports ``plan``, ``siddhiql``, ``protocol``, ``events``, ``kernel``, ``errors``; never ``ha``.
"""
