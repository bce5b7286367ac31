#!/bin/sh
# Every test, in three parts: what needs no process of its own, then real processes one after the other (they share the
# machine's cores and are timed), then the simulator's seeds.
# $1: the Python of the virtual environment, $2: how many workers.
set -eu
python=$1
jobs=$2

"$python" -m pytest tests/unit tests/golden tests/tidy tests/conformance tests/fuzz tests/decoders examples -n "$jobs" -q
"$python" -m pytest tests/integration tests/chaos -q -m "not slow"
"$python" -m pytest tests/simulation -n "$jobs" -q
