# The project's commands. `make compare` and `make test` work on a fresh clone: both build .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: compare staging test thorough torture simulate latency baseline bench-peers bench-gateways check readme lock clean

compare: .venv/ready
	$(BIN)/tollbench compare

# A chat agent to load-test, and the mocks behind it, until Ctrl-C.
staging: .venv/ready
	$(BIN)/tollbench agent

test: .venv/ready .venv/sdk
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# Other ways to the same claims, which CI takes too: the default run stays below four minutes.
thorough: .venv/ready .venv/sdk
	$(BIN)/python -m pytest -m "thorough and not slow" --numprocesses auto --dist worksteal

# 20,000 conversations full of faults, on the virtual clock: no book may break, and every fault must
# have struck every stage under every strategy.
torture: .venv/ready
	$(BIN)/tollbench torture --seeds 20000 --least-hits 50

# Many runs each: coverage of intervals, false alarms, power; and rarer ways to claims that CI holds
# another way. Minutes, so no part of any other run.
simulate: .venv/ready
	$(BIN)/python -m pytest -m slow --numprocesses auto --dist worksteal -s

# Every flow on the virtual clock against its baseline: no noise of the machine is in it.
latency: .venv/ready
	$(BIN)/python -m pytest tests/benchmarks/test_flows.py --benchmark-only

# What those flows, and those of docs/example, are held to, made anew: for a change that is meant.
# Review it with `git diff`.
baseline: .venv/ready
	$(BIN)/python -m pytest tests/benchmarks/test_flows.py::test_flow -m "" --quiet \
	  --numprocesses auto --dist worksteal --tollbench-update
	cd docs/example && $(CURDIR)/$(BIN)/python -m pytest -p no:cacheprovider --quiet --tollbench-update

# Beside the tools that people would otherwise use: twenty minutes on two quiet cores. Those that
# `python -m tests.benchmarks.peers.install` has not installed are left out, by name.
bench-peers: .venv/ready
	$(BIN)/python -m tests.benchmarks.peers

# What LiteLLM and Portkey add, run for real before the mocks: half an hour on two quiet cores. Those
# that `python -m tests.benchmarks.gateways.install` has not installed are left out, by name.
bench-gateways: .venv/ready
	$(BIN)/python -m tests.benchmarks.gateways

check: .venv/ready .venv/sdk
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The report in README and the run in results/baseline, made anew.
readme: .venv/ready
	$(BIN)/python -m tests.readme

# Everything is pinned with hashes, the build backend too, so nothing unpinned is ever fetched.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("tollbench needs Python 3.11 or newer; this is %d.%d. Name another: make PYTHON=python3.12 ..." % v[:2])'
	@echo "installing the pinned dependencies into .venv: half a minute, once"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# Somebody else's clients and servers, pinned the same way; only tests use them.
.venv/sdk: requirements-sdk.lock .venv/ready
	@$(PIP) --require-hashes --requirement requirements-sdk.lock
	@touch $@

# Pins anew. The header is left out because it would name the machine's package index.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --group dev pyproject.toml --output-file requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --group sdk --constraint requirements.lock --output-file requirements-sdk.lock

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .benchmarks
