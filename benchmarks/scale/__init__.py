"""What a pair costs by size: measured on this machine, fitted to lines, and a calculator over them.

Like all of ``benchmarks`` it imports ``eiha`` and is imported by tests only.
"""
