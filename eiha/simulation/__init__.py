"""The deterministic simulator: virtual time, network, disk, witness, stores, clients; faults; checkers.

Runs the same core as a node; may import everything but ``cli``.
"""
