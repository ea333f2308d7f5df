# `make run` and `make test` are all that a fresh machine with Python 3.11 needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test lint types servers bench clean
help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/run.stamp ## start the service on HOST:PORT, embedded stores unless .env says otherwise
	$(BIN)/python app.py

test: $(VENV)/dev.stamp ## the whole suite; ARGS="..." goes to pytest
	@./servers/for-tests.sh
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev.stamp ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp ## mypy, strict
	$(BIN)/mypy

servers: ## build what tests need into .servers: MinIO and a Mongo-wire server, mc, newman
	./servers/build.sh

bench: $(VENV)/dev.stamp servers ## measure beside others, which takes hours, and write docs/performance.md
	./bench/speed/install.sh
	$(BIN)/python -m bench.speed --write
	$(BIN)/python -m bench.speed --report

clean: ## remove what was made here, data excepted
	rm -rf $(VENV) .servers .bench .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "FILE DROP needs Python 3.11 or later: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
