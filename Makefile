# Two commands do everything: `make run` and `make test`. The rest are their parts.
PYTHON ?= python3
VENV := .venv
PLUGINS := .venv-plugins
LOWEST := .venv-lowest
KUBERNETES ?= 1.37
CLUSTER ?= kind
BIN := $(VENV)/bin
SOURCES := floe_core operator/floe_operator tools tests benchmarks

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run demo test lint format types unit lowest integration test-kind bench clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed $(PLUGINS)/installed ## Run the operator on a local control plane, with the example plugins, until Ctrl-C
	$(BIN)/python -m demo run

demo: $(VENV)/installed $(PLUGINS)/installed ## The same, not interactive: print the table once all is judged, and end
	$(BIN)/python -m demo once

test: $(VENV)/installed lint types unit lowest integration ## Run every check and every test but those on Kind

lint: $(VENV)/installed ## Lint, format check and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/installed ## mypy --strict on everything
	$(BIN)/mypy $(SOURCES)

unit: $(VENV)/installed ## Unit and contract tests
	$(BIN)/pytest tests/unit tests/contract

lowest: $(LOWEST)/installed ## The tests of floe_core with the lowest requirements that it declares
	$(LOWEST)/bin/python -m pytest tests/unit/core

integration: $(VENV)/installed ## Tests on a real control plane; the first run builds it
	$(BIN)/python -m localcluster build --version $(KUBERNETES) --controller-manager
	FLOE_KUBERNETES=$(KUBERNETES) $(BIN)/pytest --numprocesses 2 --dist loadfile tests/integration

test-kind: $(VENV)/installed ## Tests on a whole Kind cluster, or on CLUSTER=current; needs docker, kind, kubectl
	$(BIN)/pytest tests/kind --cluster $(CLUSTER)

bench: $(VENV)/installed ## Measure discovery and the operator; prints tables, writes bench-results/
	$(BIN)/python -m benchmarks

format: $(VENV)/installed ## Format and sort the sources
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## Remove the virtual environments and all caches in this folder
	rm -rf $(VENV) $(PLUGINS) $(LOWEST) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache bench-results

$(VENV)/installed: pyproject.toml tools/localcluster/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "==> Setting up $(VENV) (about a minute)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --editable tools/localcluster
	@touch $@

$(LOWEST)/installed: tests/lowest.txt
	@echo "==> Setting up $(LOWEST) (half a minute)"
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --requirement tests/lowest.txt
	@touch $@

$(PLUGINS)/installed: pyproject.toml $(shell find examples/plugins -type f -not -path '*/__pycache__/*')
	@echo "==> Setting up $(PLUGINS) with the example plugins (about a minute)"
	$(PYTHON) -m venv $(PLUGINS)
	$(PLUGINS)/bin/python -m pip install --quiet --editable . $(wildcard examples/plugins/*)
	@touch $@
