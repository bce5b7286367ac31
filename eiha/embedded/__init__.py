"""The engine alone, in a Python process: load a plan, send rows, arrays or data frames, get its outputs back.

A shell over ``engine`` and ``plan`` for notebooks, plan tests and benchmarks; nothing in the node imports it.
"""

from eiha.embedded.incoming import Texts
from eiha.embedded.outputs import Output
from eiha.embedded.plan import Plan

__all__ = ["Output", "Plan", "Texts"]
