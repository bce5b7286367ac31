"""The algorithm of the predecessors' two-node deployment, run by the simulator in place of this project's own.

Event forwarding without acknowledgements, snapshots at intervals, outputs trimmed by a clock. For comparison only.
Imports the simulation; nothing but the command lines of benchmarks and the tests imports it.
"""
