# make quickstart: prepare, train, evaluate, export and report once, on images that need no download
# make test:       the tests, in the same environment (.venv)
# make docs:       the documentation site with executed notebooks, in build/site
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: quickstart test lint docs wheel clean

quickstart: $(VENV)/.quickstart
	$(BIN)/python -m alexnet_tf.main --flagfile=flags/quickstart.cfg

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict
	@echo 'build/site/index.html'

wheel: $(VENV)/.test
	rm -rf build/lib build/bdist.*  # which setuptools would ship again
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

$(VENV)/.quickstart: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[quickstart,plots]'
	touch $@

$(VENV)/.test: $(VENV)/.quickstart
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.docs: $(VENV)/.quickstart
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
