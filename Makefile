# Two targets do everything: `make run` and `make test`. Most of the others are parts of these.
PYTHON ?= python3
VENV := .venv
PLUGINS := .venv-plugins
NEWEST := .venv-newest
LOCKER := .venv-lock
KUBERNETES ?= 1.37
CLUSTER ?= kind
BIN := $(VENV)/bin
SOURCES := floe_core operator/floe_operator operator/hatch_build.py tools tests benchmarks
PROJECTS := . operator tools/localcluster
OURS := $(addprefix --editable ,$(PROJECTS))
DECLARED := $(wildcard pyproject.toml operator/pyproject.toml tools/localcluster/pyproject.toml examples/plugins/*/pyproject.toml \
  requirements/*.in operator/requirements.in operator/hatch_build.py floe_core/_version.py)
# A tool that is not a distribution, run in its own folder so that nothing it starts inherits a PYTHONPATH.
TOOL = cd tools/$(1) && "$(CURDIR)/$(BIN)/python" -m $(1)
# Works before any environment exists: uses the machine's Python and only the standard library.
ENVIRONMENTS := PYTHONPATH=tools/environments "$(PYTHON)" -m environments

# pip installs exactly what the locks pin; our own distributions are built by the locked hatchling.
LOCKED := pip install --quiet --require-hashes --requirement
BUILT := pip install --quiet --no-deps --no-build-isolation
# deptry reads requirements files only where there is no [project] table; it cannot see what a build hook adds.
DEPTRY := $(BIN)/deptry --config /dev/null --requirements-files operator/requirements.in --package-module-name-map PyYAML=yaml \
  $(addprefix --known-first-party ,floe_core floe_operator localcluster demo environments tests benchmarks)
NO_INDEX := { echo "To use another package index, or none, see docs/install.md." >&2; exit 1; }
NEW_ENOUGH := "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "$(PYTHON) does not run or is older than Python 3.11; try: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }

# pytest-xdist would replace a worker that has died, and may then never end.
DEAD_WORKER := --max-worker-restart 0
WORKERS := --numprocesses 2 --dist loadfile $(DEAD_WORKER)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run demo test lint format types unit lowest pythons integration faults test-newest test-kind bench bench-full dist lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed $(PLUGINS)/installed ## Run the operator on a local control plane, with the example plugins, until Ctrl-C
	$(call TOOL,demo) run

demo: $(VENV)/installed $(PLUGINS)/installed ## Like run, but not interactive: print the table, rotate a Secret, exit
	$(call TOOL,demo) once

test: $(VENV)/installed lint types unit lowest pythons integration faults ## Run every check and every test except those on Kind

lint: $(VENV)/installed ## Run the linters; check the format, import contracts, declared imports and locks
	$(call TOOL,environments) check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/deptry floe_core
	$(DEPTRY) operator/floe_operator
	$(DEPTRY) --requirements-files-dev requirements/dev.in --ignore DEP002,DEP004 tests benchmarks tools/demo tools/environments
	$(BIN)/deptry --config tools/localcluster/pyproject.toml tools/localcluster
	@# The examples' requirements are not installed here, and one example is broken on purpose.
	@for plugin in examples/plugins/*; do echo "deptry $$plugin"; $(BIN)/deptry --config $$plugin/pyproject.toml \
	  --package-module-name-map PyJWT=jwt,boto3=boto3,botocore=botocore,duckdb=duckdb,pyiceberg=pyiceberg \
	  --per-rule-ignores DEP001=floe_telemetry_broken_exporters $$plugin || exit 1; done

types: $(VENV)/installed ## Run mypy --strict on everything
	$(BIN)/mypy $(SOURCES)
	cd tools/localcluster && "$(CURDIR)/$(BIN)/mypy" --cache-dir "$(CURDIR)/.mypy_cache/localcluster"

unit: $(VENV)/installed ## Run the unit and contract tests
	$(BIN)/pytest $(WORKERS) tests/unit tests/contract

lowest: $(VENV)/installed ## Run the tests of floe_core with its lowest declared requirements, on every available Python
	$(call TOOL,environments) test lowest

pythons: $(VENV)/installed ## Run the unit and plugin API tests on every other available Python
	$(call TOOL,environments) test locked --others

integration: $(VENV)/installed ## Run the tests on a real control plane; the first run builds it
	$(BIN)/python -m localcluster build --version $(KUBERNETES) --controller-manager
	FLOE_KUBERNETES=$(KUBERNETES) $(BIN)/pytest $(WORKERS) tests/integration
	LOCALCLUSTER_TEST_VERSION=$(KUBERNETES) $(BIN)/pytest $(WORKERS) tools/localcluster/tests

faults: $(VENV)/installed ## Run the tests with faults: kills, a proxy that misbehaves, a restored backup, old CRDs
	$(BIN)/python -m localcluster build --version $(KUBERNETES)
	@# They wait more than they work.
	FLOE_KUBERNETES=$(KUBERNETES) $(BIN)/pytest --numprocesses 3 --dist loadgroup $(DEAD_WORKER) tests/faults

test-newest: $(NEWEST)/installed ## Run unit, contract and integration tests with the newest release of everything, ignoring the locks
	$(NEWEST)/bin/python -m pytest tests/unit tests/contract
	$(NEWEST)/bin/python -m localcluster build --version $(KUBERNETES) --controller-manager
	FLOE_KUBERNETES=$(KUBERNETES) FLOE_NEWEST=1 $(NEWEST)/bin/python -m pytest $(WORKERS) tests/integration
	LOCALCLUSTER_TEST_VERSION=$(KUBERNETES) $(NEWEST)/bin/python -m pytest $(WORKERS) tools/localcluster/tests

test-kind: $(VENV)/installed ## Run the tests on a full Kind cluster, or on the current cluster with CLUSTER=current; requires docker, kind, kubectl
	$(BIN)/pytest tests/kind --cluster $(CLUSTER)

bench: $(VENV)/installed ## Measure discovery, health checks, Secrets, and the operator beside one in Go; write bench-results/ (about half an hour)
	$(BIN)/python -m benchmarks

bench-full: $(VENV)/installed ## Measure the operator beside one in Go with 100, 1,000 and 10,000 objects (about 45 minutes)
	$(BIN)/python -m benchmarks --full side_by_side

dist: $(VENV)/installed ## Build the sdist and the wheel of each distribution into dist/
	rm -rf dist
	@for project in $(PROJECTS); do said=$$(cd $$project && "$(CURDIR)/$(BIN)/python" -m hatchling build -d "$(CURDIR)/dist" 2>&1) \
	  || { echo "$$said" >&2; exit 1; }; done
	@ls dist

format: $(VENV)/installed ## Format and sort the sources
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(LOCKER)/installed ## Make the locks match what is declared; RENEW=1 takes the newest release of everything
	@PATH="$(CURDIR)/$(LOCKER)/bin:$$PATH" $(ENVIRONMENTS) lock $(if $(RENEW),--renew)

clean: ## Remove the virtual environments and all caches in this folder
	rm -rf $(VENV) $(PLUGINS) $(NEWEST) $(LOCKER) .venv-pythons .venv-lowest .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache bench-results dist \
	  $(addprefix tools/localcluster/,.mypy_cache .pytest_cache dist)

$(VENV)/locked: requirements/dev.txt
	@$(NEW_ENOUGH)
	@$(ENVIRONMENTS) check
	@echo "==> Setting up $(VENV) (about a minute)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@# Most modules are never imported; the others are compiled on import.
	@$(BIN)/python -m $(LOCKED) requirements/dev.txt --no-compile || $(NO_INDEX)
	@touch $@

$(VENV)/installed: $(VENV)/locked $(DECLARED)
	@PYTHONPATH=tools/environments $(BIN)/python -m environments check
	@$(BIN)/python -m $(BUILT) $(OURS)
	@$(BIN)/python -m pip check --quiet
	@touch $@

$(PLUGINS)/locked: requirements/plugins.txt
	@$(NEW_ENOUGH)
	@$(ENVIRONMENTS) check
	@echo "==> Setting up $(PLUGINS) with the example plugins (about half a minute)"
	@"$(PYTHON)" -m venv $(PLUGINS)
	@$(PLUGINS)/bin/python -m $(LOCKED) requirements/plugins.txt || $(NO_INDEX)
	@touch $@

$(PLUGINS)/installed: $(PLUGINS)/locked pyproject.toml floe_core/_version.py $(shell find examples/plugins -type f -not -path '*/__pycache__/*')
	@$(PLUGINS)/bin/python -m $(BUILT) --editable . $(wildcard examples/plugins/*)
	@touch $@

# Remade each time: what is newest today may not be tomorrow.
.PHONY: $(NEWEST)/installed
$(NEWEST)/installed:
	@$(NEW_ENOUGH)
	@echo "==> Setting up $(NEWEST) (about two minutes)"
	"$(PYTHON)" -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet hatchling --requirement requirements/dev.in $(OURS)
	$(NEWEST)/bin/python -m pip list

$(LOCKER)/installed: requirements/lock.txt
	@$(NEW_ENOUGH)
	@echo "==> Setting up $(LOCKER) with uv"
	@"$(PYTHON)" -m venv $(LOCKER)
	@$(LOCKER)/bin/python -m $(LOCKED) requirements/lock.txt || $(NO_INDEX)
	@touch $@
