# `make demo` and `make test` do all their set-up: a virtual environment in .venv with the versions of constraints.txt.

PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin

.PHONY: help demo test interop checks style types laws bench soak fuzz docs run clean

help:
	@echo "make demo     the main job, start to end, on loopback"
	@echo "make test     all tests, with coverage of the pure rooms"
	@echo "make interop  real programs against a real server: fetches them, prints their versions, runs the tests with them"
	@echo "make checks   style, types, import law"
	@echo "make bench    the figures, beside a floor measured in the same run (ROWS=xcap: only these)"
	@echo "make soak     ten minutes of churn at a server that is killed again and again, and more stories (SECONDS=)"
	@echo "make fuzz     hostile bytes for the codec (by atheris where it is) and for a real server (SECONDS=)"
	@echo "make run      the server with configs/dev.toml"
	@echo "make docs     the generated pages"

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("abserver needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(RUN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(RUN)/abserver demo

test: $(VENV)/installed-dev
	$(RUN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

interop: $(VENV)/installed-dev
	$(RUN)/python -m tests.interop

checks: style types laws

style: $(VENV)/installed-dev
	$(RUN)/ruff check
	$(RUN)/ruff format --check

types: $(VENV)/installed-dev
	$(RUN)/mypy

laws: $(VENV)/installed-dev
	$(RUN)/lint-imports

bench: $(VENV)/installed-dev
	$(RUN)/python -m tests.bench $(ROWS)

soak: SECONDS ?= 600
soak: $(VENV)/installed-dev
	CONVERGENCE_EXAMPLES=$$((2 * $(SECONDS))) $(RUN)/pytest -q tests/properties/test_convergence.py
	$(RUN)/python -m tests.soak $(SECONDS)

fuzz: SECONDS ?= 600
fuzz: $(VENV)/installed-dev
	-$(RUN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	$(RUN)/python -m tests.fuzz $(SECONDS)

docs: $(VENV)/installed
	$(RUN)/python -m abserver.config
	$(RUN)/python -m tests.conformance.rfc3261.coverage
	$(RUN)/python -m tests.conformance.rfc4825.coverage
	$(RUN)/python -m tests.dialogues.flows

run: $(VENV)/installed
	$(RUN)/abserver serve --config configs/dev.toml

clean:
	rm -rf $(VENV) .interop .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache *.egg-info
