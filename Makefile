# Every target sets up what it needs on a fresh machine with python3, node and npm.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lab bench check browser clean

demo: $(VENV)/.all
	$(BIN)/fusionflow demo --folder out

test: $(VENV)/.test browser
	$(BIN)/python tests/run_all.py

# The tests in JupyterLab need Chromium; without it they are skipped, and say so.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
	    || echo "Chromium could not be installed: the tests in JupyterLab will be skipped."; \
	else \
	  echo "No Chromium: the tests in JupyterLab will be skipped. To run them: sudo apt-get install chromium"; \
	fi

bench: $(VENV)/.test
	$(BIN)/python tests/benchmarks/run_all.py

lab: $(VENV)/.all
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/quickstart.ipynb

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
