# Two commands matter: `make run` opens the demonstration clinic, `make test` runs every check.
# Everything lands in .venv; nothing of the system is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test setup check lint types imports trace traced validate validated unit docs postgres long fuzz mutants bench peers lock clean

run: $(RUN_READY)
	@$(BIN)/thecal clinic run --demonstration

test: check

# First what takes seconds. Then the tests, and beside them what keeps one processor busy and leaves the others idle.
check: lint imports
	@$(MAKE) --no-print-directory -j 2 unit types traced validated docs

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Thecal needs Python 3.11 or later; found: $$($(PYTHON) --version 2>&1)"; exit 1; }
	@echo "Setting up Thecal in $(VENV): once, about a minute."
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m thecal.body.transport.warm
	touch $@

$(DEV_READY): requirements-dev.lock $(RUN_READY)
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	touch $@

setup: $(DEV_READY)

lint: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/deptry src
	$(BIN)/python scripts/house.py

types: $(DEV_READY)
	$(BIN)/mypy

imports: $(DEV_READY)
	$(BIN)/lint-imports

# Which test shows which requirement: writes docs/requirements.md; `traced` only looks whether it is the newest.
trace: $(DEV_READY)
	$(BIN)/python scripts/trace.py

traced: $(DEV_READY)
	$(BIN)/python scripts/trace.py --check

# What the published cases say and what the model gives: writes docs/validation.md; `validated` only looks whether it
# is the newest.
validate: $(DEV_READY)
	$(BIN)/python scripts/validate.py

validated: $(DEV_READY)
	$(BIN)/python scripts/validate.py --check

# One thread of linear algebra for each test process: they share the machine already. One process more than there are
# processors, because many tests wait for sockets, browsers and children; and files of tests in memory where there is
# such a folder, because the record writes each step through to the disk.
unit postgres long: export OPENBLAS_NUM_THREADS = 1
unit postgres long: export PYTEST_DEBUG_TEMPROOT = $(wildcard /dev/shm)
TESTERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
unit: $(DEV_READY)
	$(BIN)/pytest -n $(TESTERS) --dist worksteal -m "not long" --cov --cov-report=
	$(BIN)/python scripts/coverage_gate.py

docs: $(DEV_READY)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# Everything that knows a clinic's record, with the record on PostgreSQL, which the tests start themselves. `unit` has the
# same tests on SQLite, and a few of them on both.
postgres: $(DEV_READY)
	$(BIN)/pytest -n $(TESTERS) --dist worksteal -m "not long" --record postgresql tests/test_clinic_*.py tests/test_web_*.py tests/test_exchange_*.py tests/test_demonstration_*.py tests/test_browser_*.py tests/test_cli_clinic*.py tests/test_rig_ledger.py

# Long campaigns: their figures are in docs/evidence.md.
long: $(DEV_READY)
	$(BIN)/pytest -n $(TESTERS) -m long --hypothesis-profile=long

# Any bytes against what reads them: each target this long. What opens new lines is kept in fuzz/corpus.
FUZZ_SECONDS ?= 60
fuzz: $(DEV_READY)
	$(BIN)/python -m fuzz.campaign --seconds $(FUZZ_SECONDS)

mutants: $(DEV_READY)
	$(BIN)/python scripts/mutants.py

bench: $(DEV_READY)
	$(BIN)/python bench/run.py

# The solvers that `make bench` sets beside ours; some are built here, which takes some minutes and a C++ compiler.
peers: $(DEV_READY)
	$(PIP) install --quiet --require-hashes -r requirements-peers.lock

lock:
	$(BIN)/uv pip compile --quiet --extra build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --extra build --extra dev --extra postgres --extra sbml -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --extra peers -c requirements-dev.lock pyproject.toml -o requirements-peers.lock

clean:
	rm -rf $(VENV) out docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants
