# eiha: `make demo` shows it, `make test` proves it. Both install what they need into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.PHONY: help setup demo demo-mysql lint types layers unit coverage fuzz fuzz-decoders bounds simulation integration test chaos soak kills bench clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP) ## create .venv and install everything

$(STAMP): pyproject.toml constraints.txt tools/make_venv.sh
	@sh tools/make_venv.sh "$(PYTHON)" "$(VENV)"
	@touch $@

demo: setup ## two nodes, real departures, kill -9 in the middle, proof from the stores
	@$(BIN)/python -m examples.flights.demo

demo-mysql: setup ## the same on MariaDB or MySQL
	@$(BIN)/python -m examples.flights.demo --mysql

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup
	@$(BIN)/mypy

layers: setup
	@$(BIN)/lint-imports --no-cache > .layers.log 2>&1 || { cat .layers.log; rm -f .layers.log; exit 1; }
	@rm -f .layers.log

unit: setup ## tests without real processes
	@$(BIN)/python -m pytest tests/unit tests/golden tests/tidy tests/conformance tests/decoders -n $(JOBS) -q

coverage: setup ## which lines the tests without real processes do not reach
	@$(BIN)/python -m pytest tests/unit tests/golden tests/conformance -n $(JOBS) -q --cov --cov-report=term:skip-covered

fuzz: setup ## random plans, fed in every form
	@$(BIN)/python -m pytest tests/fuzz -n $(JOBS) -q

fuzz-decoders: setup ## every decoder against nearly valid input, ten minutes
	@$(BIN)/python -m tests.decoders --seconds 600

bounds: setup ## the engine's tests with every array access of the compiled kernels checked
	@NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(CURDIR)/var/bounds $(BIN)/python -m pytest tests/unit/engine tests/conformance -n $(JOBS) -q

simulation: setup ## the simulator's seeds and planted bugs
	@$(BIN)/python -m pytest tests/simulation -n $(JOBS) -q

integration: setup ## real processes, sockets, MariaDB
	@$(BIN)/python tools/mariadb.py run -- $(BIN)/python -m pytest tests/integration tests/chaos -q

test: lint types layers ## everything CI runs
	@$(BIN)/python tools/mariadb.py run -- sh tools/run_tests.sh $(BIN)/python $(JOBS)

soak: integration ## 20,000 random plans, 100,000 seeds and 500 kills; hours
	@$(BIN)/python -m tests.fuzz --seeds 0..20000 --jobs $(JOBS)
	@$(BIN)/python -m eiha.simulation --seeds 0..100000 --jobs $(JOBS)
	@$(BIN)/python -m benchmarks.takeovers --kills 500

chaos: setup ## some 80 faults of every kind on a real pair under load, report in var/chaos
	@$(BIN)/python -m tests.chaos --kills 30 --pauses 10 --partitions 15 --outages 10 --disks 5 --clocks 5 --operations 10

kills: setup ## kill the active 50 times under load, table of takeover times
	@$(BIN)/python -m benchmarks.takeovers --kills 50

bench: setup ## every benchmark, one after the other
	@$(BIN)/python -m benchmarks.engine
	@$(BIN)/python -m benchmarks.pair
	@$(BIN)/python -m benchmarks.stores

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis
