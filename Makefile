# Every target sets up what it needs on a fresh machine with python3, and with Node.js and npm for the canvas.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# The licences are written last, so they stand for a whole build. Folders count too: a file taken away changes its folder.
BUILT     := fusionflow_nb/canvas/static/licenses.txt
INSTALLED := js/node_modules/.installed
SOURCES   := $(shell find js/src) js/build.mjs js/package.json js/tsconfig.json

.PHONY: demo test crash lab bench pictures quick check floors newest requirements js node browser clean

demo: $(VENV)/.all js
	$(BIN)/fusionflow demo --folder out

test: $(VENV)/.test js browser
	$(BIN)/python tests/run_all.py

# The journeys in a browser need Chromium; without it they are skipped, and say so.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
	    || echo "Chromium could not be installed: the tests in a browser will be skipped."; \
	else \
	  echo "No Chromium: the tests in a browser will be skipped. To run them: sudo apt-get install chromium"; \
	fi

# ROWS="engine http" runs some.
bench: $(VENV)/.test js browser
	$(BIN)/python tests/benchmarks/run_all.py $(if $(ROWS),--rows $(ROWS))

# Kernels are killed at every step of paid work and at random instants, 300 of them; KILLS=50 is shorter.
KILLS ?= 300
crash: $(VENV)/.test
	$(BIN)/python tests/crash.py --kills $(KILLS) $(if $(SEED),--seed $(SEED))

lab: $(VENV)/.all js
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/quickstart.ipynb

# Screenshots of the canvas in JupyterLab, the README's among them.
pictures: $(VENV)/.test js browser
	$(BIN)/python tests/screenshots.py

# After each change: style, types, and the tests that need no browser and start no process.
quick: $(VENV)/.test js
	$(BIN)/python tests/run_all.py --quick

check: $(VENV)/.test js
	$(BIN)/python tests/run_all.py --only ruff format mypy "js types" "js lint"

# The canvas. It is built where its sources or the packages it is made of have changed.
js: $(BUILT)

$(BUILT): $(SOURCES) $(INSTALLED)
	@$(MAKE) --no-print-directory node
	cd js && npm run --silent build

$(INSTALLED): js/package-lock.json
	@$(MAKE) --no-print-directory node
	cd js && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

node:
	@found=$$(node --version 2>/dev/null || echo none); \
	node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
	  2>/dev/null && command -v npm >/dev/null && exit 0; \
	echo "The canvas is built with Node.js 20.19 or newer and its npm; node here: $$found, npm: $$(npm --version 2>/dev/null || echo none)." >&2; \
	echo "Get them from https://nodejs.org or your system's packages, then run make again." >&2; \
	exit 1

# requirements/*.txt pin every package, pip and the build backend among them: an install next year is the same.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FusionFlow needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build: requirements/build.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements/build.txt
	@touch $@

$(VENV)/.all: pyproject.toml requirements/all.txt $(VENV)/.build
	$(BIN)/python -m pip install --quiet --requirement requirements/all.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: pyproject.toml requirements/test.txt requirements/no-deps.txt $(VENV)/.build
	$(BIN)/python -m pip install --quiet --requirement requirements/test.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements/no-deps.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.all

# The suite on the lowest versions that pyproject.toml allows.
floors: .venv-floors/.installed js browser
	.venv-floors/bin/python tests/run_all.py --only doctest tests

.venv-floors/.installed: pyproject.toml requirements/build.txt requirements/floors.txt requirements/no-deps.txt
	$(PYTHON) -m venv --clear .venv-floors
	.venv-floors/bin/python -m pip install --quiet --requirement requirements/build.txt
	.venv-floors/bin/python -m pip install --quiet --requirement requirements/floors.txt
	.venv-floors/bin/python -m pip install --quiet --no-deps --requirement requirements/no-deps.txt
	.venv-floors/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The suite on the newest versions that pyproject.toml allows: lists what changed, and which package broke what.
newest: .venv-tools/.installed js browser
	.venv-tools/bin/python scripts/newest.py

# Compile requirements/*.txt after a change in pyproject.toml. UPGRADE=1 moves every pin to the newest version allowed,
# UPGRADE="pillow duckdb" these.
UPGRADES := $(if $(filter 1,$(UPGRADE)),--upgrade,$(addprefix --upgrade-package=,$(UPGRADE)))
requirements: .venv-tools/.installed
	.venv-tools/bin/python scripts/requirements.py $(UPGRADES)

.venv-tools/.installed: requirements/build.txt requirements/tools.txt
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --requirement requirements/build.txt --requirement requirements/tools.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-tools .venv-floors .venv-newest out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf js/node_modules js/dev/built fusionflow_nb/canvas/static
