# Needs Python 3.11 or newer with pip, and make. Everything is set up in .venv; nothing is installed outside it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most of the time tests wait, so there are more workers than processors; WORKERS=0 runs one test after the other.
WORKERS ?= 6
PYTEST = $(BIN)/python -m pytest -n $(WORKERS)

.PHONY: help run test unit faults bench instructions check format lint types floors lock clean

help:  ## show what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/run  ## set up and plan from examples/, with no key, no account and no network
	@$(BIN)/python examples/make.py
	@$(BIN)/gradent --config config.toml run
	@$(BIN)/gradent --config config.toml plan

test: $(VENV)/dev  ## set up and run the tests, six at a time (WORKERS=0: one by one)
	@$(PYTEST) --ignore=tests/faults

unit: $(VENV)/dev  ## the tests that need no daemon
	@$(PYTEST) -m "not e2e" --ignore=tests/faults

faults: WORKERS = 3
faults: $(VENV)/dev  ## break everything around it and count what is lost; FAULTS="--seed=1 -k peers" narrows it
	@$(PYTEST) tests/faults $(FAULTS)

bench:  ## measure gradent beside its peers in five minutes, most of it below .bench; BENCH="--strict --rounds 25"
	@$(PYTHON) -m bench $(BENCH)

instructions: $(VENV)/dev  ## count what the commands cron calls take, and hold CI to that; needs valgrind
	@$(BIN)/python -m bench.instructions

check: lint types floors test faults  ## what CI runs

format: $(VENV)/dev  ## put the code into shape
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

lint: $(VENV)/dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(VENV)/dev
	@$(BIN)/mypy

floors: $(VENV)/dev
	@$(BIN)/lint-imports --no-cache

lock: $(VENV)/dev  ## choose the newest versions that pyproject.toml allows and pin them with hashes
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --group build pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --group dev pyproject.toml -o requirements-dev.lock

clean:  ## remove what `make run`, `make bench` and the checks leave, but not .venv
	@rm -rf .gradent .bench examples/made .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("gradent needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.lock pyproject.toml $(VENV)/bin/python
	@echo "Setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
