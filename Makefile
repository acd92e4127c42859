# Every target sets up what it needs on a fresh machine with python3, node and npm.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lab bench check clean

demo: $(VENV)/.all
	$(BIN)/fusionflow demo --folder out

test: $(VENV)/.test
	$(BIN)/python tests/run_all.py

bench: $(VENV)/.test
	$(BIN)/python tests/benchmarks/run_all.py

lab: $(VENV)/.all
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

check: $(VENV)/.test
	$(BIN)/python tests/run_all.py --only ruff mypy

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FusionFlow needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.all: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.all

clean:
	rm -rf $(VENV) out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
