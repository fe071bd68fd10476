# The two commands are `make demo` and `make test`. `make help` lists the rest.
# Needs: Python 3.11 or newer with venv, and make. Everything else is fetched, by hash.

VENV  := .venv
RUN   := $(VENV)/bin/python
OUT   := dist
SHELL := /bin/bash

# PYTHON=... wins; else the first interpreter that is new enough and can make a virtual environment.
ifndef PYTHON
PYTHON := $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
  $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
  && echo $$candidate && break; done)
endif

PYTEST := $(if $(filter true 1,$(CI)),DEPROVISIONER_REQUIRE_PEERS=1 )$(RUN) -m pytest
PIP := $(RUN) -m pip --disable-pip-version-check --no-input --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint types bench soak wheel lock clean dev peers

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.base  ## one termination in a pretend company, to 100 %; DIRECTORY=slapd uses a real server
	$(RUN) -m deprovisioner demo $(if $(DIRECTORY),--directory $(DIRECTORY))

test: $(VENV)/.dev peers  ## install what the tests need, run them all; PYTEST_ARGS="tests/unit -k plan"
ifdef PYTEST_ARGS
	$(PYTEST) $(PYTEST_ARGS)
else  # daemons, kills and freezes want the machine for themselves; all else mostly waits for servers
	$(PYTEST) -n 2 --dist loadscope --ignore tests/acceptance
	$(PYTEST) tests/acceptance
endif

lint: $(VENV)/.dev  ## ruff, formatting, and the floors of the house
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-cache

types: $(VENV)/.dev  ## mypy, strict, over code, tests and benchmarks
	$(RUN) -m mypy

bench: $(VENV)/.dev  ## measure speed and memory, printed as ratios; fails no build
	@for script in $(sort $(wildcard benchmarks/bench_*.py)); do \
	  echo "== $$script"; $(RUN) $$script || exit 1; done

soak: $(VENV)/.dev peers  ## the same tests, searching: random seeds, 2,000 examples a property (hours)
	HYPOTHESIS_PROFILE=search $(RUN) -m pytest --timeout 7200 -m "" $(PYTEST_ARGS)

wheel: $(VENV)/.dev  ## build the wheel into dist/, without the network
	$(RUN) -m build --wheel --no-isolation --outdir $(OUT)

LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header --custom-compile-command "make lock"
lock: $(VENV)/.dev  ## resolve every version again and write requirements/*.lock; UPGRADE=1 takes new ones
	$(PIP) install "uv>=0.9"
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml --extra entra --group test --group lint \
	  --group build --output-file requirements/dev.lock
	$(LOCK) --constraint requirements/dev.lock pyproject.toml --output-file requirements/base.lock
	$(LOCK) --constraint requirements/dev.lock pyproject.toml --extra entra \
	  --output-file requirements/demo.lock

clean:  ## remove everything that was built, the virtual environment too
	rm -rf $(VENV) $(OUT) build demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Not in `help`: the steps behind the commands. A stamp file says that a lock file is installed.

dev: $(VENV)/.dev

peers: $(VENV)/.dev
	@bash tests/support/install_peers.sh

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found." \
	  "On Debian: apt-get install python3-venv; elsewhere name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements/demo.lock | $(VENV)/bin/python
	@echo "installing what the program needs into $(VENV) (hashes checked) ..."
	$(PIP) install --require-hashes -r requirements/demo.lock
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what the tests need into $(VENV) (hashes checked) ..."
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
