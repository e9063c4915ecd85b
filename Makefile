# make quickstart: prepare, train, evaluate, export and report once, on images that need no download
# make test:       the tests, in the same environment (.venv)
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: quickstart test lint wheel clean

quickstart: $(VENV)/.quickstart
	$(BIN)/python -m alexnet_tf.main --flagfile=flags/quickstart.cfg

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

wheel: $(VENV)/.test
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

$(VENV)/.quickstart: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[quickstart,plots]'
	touch $@

$(VENV)/.test: $(VENV)/.quickstart
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
