"""Loops over arrays, one idea a file, compiled by ``engine.jit``.

Imports ``engine.jit`` and NumPy only; operators import from here.
"""
