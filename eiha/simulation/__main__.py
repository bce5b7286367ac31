"""``python -m eiha.simulation``: run seeds, show progress, print what replays a failure."""

from __future__ import annotations

import sys

from eiha.simulation.command_line import main

sys.exit(main(sys.argv[1:]))
