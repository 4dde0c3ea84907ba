# Every target does its own set-up; all that is needed is Python 3.11 or newer, pip and make.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1

.PHONY: demo test check bench install clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,gguf,lm-eval,qlora,sentence-transformers]'
	touch $@

demo: install  ## Audit seven selectors on the controlled skills; prints the path of the scorecard last
	$(BIN)/farsighted audit demo --out runs/demo

test: install  ## All tests
	$(BIN)/pytest -n auto

check: install  ## Format, lint, types, import law
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest tests/architecture

bench: install  ## What scoring and selecting cost on this machine, beside their bounds
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist src/*.egg-info
