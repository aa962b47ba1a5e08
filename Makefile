# make run: the demonstration.  make test: the suite.  Both work from a bare clone, as root or not.
# Needed: make, Python 3.11 or newer with venv, a package registry that pip reaches.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check

# The second of two calls installs nothing: each step leaves a stamp.
VENV := .venv/.made
RUNTIME := .venv/.runtime
DEV := .venv/.dev
PROJECT := .venv/.project

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --no-header pyproject.toml

.PHONY: help install run test test-long check bench format lock
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make run        the demonstration: PostgreSQL, API, worker, fictional cases (Ctrl-C ends it)"
	@echo "make test       the whole suite against a real PostgreSQL; make test-long for what takes minutes"
	@echo "make check      format, lint, types, import contracts, migration drift"
	@echo "make bench      requests a second beside hand-written SQL and pgbench, as ratios: some five minutes"
	@echo "make install    the set-up alone"
	@echo "make format     put the code into its form"
	@echo "make lock       choose the newest versions and write the lock files"

install: $(RUNTIME) $(PROJECT)
	@echo "Installed in .venv. Next: make run"

# exec: no shell stands between make and the service, which ends with make however make ends.
run: $(RUNTIME) $(PROJECT)
	@exec $(BIN)/clares-law run --starter "$$PPID"

test: $(DEV) $(PROJECT)
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

test-long: $(DEV) $(PROJECT)
	@$(BIN)/python -m pytest -m long --hypothesis-profile long

check: $(DEV) $(PROJECT)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clares-law migrate --check

bench: $(DEV) $(PROJECT)
	@$(BIN)/python -m bench

format: $(DEV)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(DEV)
	$(COMPILE) --upgrade -o requirements.lock
	$(COMPILE) --upgrade --extra dev -c requirements.lock -o requirements-dev.lock

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv. Install it (on Debian and Ubuntu: apt install python3-venv)" >&2; \
		echo "or name another Python: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@touch $@

$(RUNTIME): requirements.lock $(VENV)
	@echo "Installing $$(grep -c '^[a-zA-Z].*==' $<) packages into .venv (first time: a minute)"
	@$(PIP) install --require-hashes -r $<
	@touch $@

$(DEV): requirements-dev.lock $(VENV)
	@echo "Installing $$(grep -c '^[a-zA-Z].*==' $<) packages into .venv (first time: a minute or two)"
	@$(PIP) install --require-hashes -r $<
	@touch $@ $(RUNTIME)

# Asked for after the packages, of which its build backend is one.
$(PROJECT): pyproject.toml $(VENV)
	@echo "Installing the project itself into .venv"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
