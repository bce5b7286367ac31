"""The deterministic simulator: the real core of both nodes on virtual time, network, disks, witness and stores.

``Simulator(seed, options).run()`` gives a ``Verdict``; ``python -m eiha.simulation`` runs many. Public: users test
their plans with it. May import everything but ``cli``.
"""

from eiha.simulation.options import SimulationOptions
from eiha.simulation.verdict import Figures, Verdict

__all__ = ["Figures", "SimulationOptions", "Verdict"]
