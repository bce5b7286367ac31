"""Benchmarks and the load generator. Each prints its method, medians and ratios; results live in docs/benchmarks.md.

Run as modules from the repository root: ``python -m benchmarks.engine``. Nothing in ``eiha`` imports this.
"""
