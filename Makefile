# The one door of the project: `make` lists what it can do.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test check format bench clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The first Python on the path that is new enough; `make PYTHON=… test` names another.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## A real public log, a trained model, and a list that moves with every event (about two minutes)
	$(BIN)/penchant quickstart --out runs/quickstart

test: $(READY) data/ml-100k ## All tests (the first run also makes .venv)
	$(BIN)/python -m pytest

check: $(READY) ## Lint, format, types, the direction of imports, the limits of style
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/check_style.py src/penchant tests tools benchmarks

format: $(READY) ## Write the code in its agreed form
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(READY) ## Measure time and memory (see docs/results.md)
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

clean: ## Remove .venv, caches and build products (not runs, not data)
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when what is to be installed changes. Torch alone is most of the download.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Penchant needs Python 3.11 or newer, and none is on the path. Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making $(VENV) with $(PYTHON): a few minutes the first time, most of them for torch."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --constraint constraints.txt setuptools
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

# Tests that need this log skip with the reason when it cannot be had.
data/ml-100k: | $(READY)
	@$(BIN)/penchant fetch ml-100k --out $@ || echo "ml-100k could not be fetched; the tests that need it are skipped."
