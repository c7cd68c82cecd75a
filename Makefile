# demo and test need Python, its venv module and make, nothing else: each installs what it needs into .venv
PYTHON ?= python3
# a Python that somebody has chosen gets an environment of its own
VENV := .venv$(if $(filter file,$(origin PYTHON)),,-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
RUN := $(VENV)/bin/python

.PHONY: demo test lint docs bench torture coverage clean

demo: $(VENV)/installed-demo
	$(RUN) -m pyvolume.demo

# compiled modules are kept, whatever the environment says: workers, commands and servers of tests begin sooner
test: $(VENV)/installed-test
	PYTHONDONTWRITEBYTECODE= $(RUN) -m pytest -n 3

lint: $(VENV)/installed-lint
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: $(VENV)/installed-docs
	$(RUN) -m sphinx -W -b html docs docs/_build/html

# all peers that can be installed take part after .venv/bin/pip install -e '.[bench-peers]'
bench: $(VENV)/installed-bench
	$(RUN) -m benchmarks $(OPTIONS)
	$(RUN) -m benchmarks.pace
	$(RUN) -m benchmarks.points
	$(RUN) -m benchmarks.copying
	$(RUN) -m benchmarks.buckets
	$(RUN) -m benchmarks.zarr
	$(RUN) -m benchmarks.n5
	$(RUN) -m benchmarks.fsdb
	$(RUN) -m benchmarks.labels
	$(RUN) -m benchmarks.label_lines

torture: $(VENV)/installed-test
	PYTHONPATH=tests/support $(RUN) -m tests.torture $(OPTIONS)

coverage: $(VENV)/installed-test
	$(RUN) -m coverage erase
	$(RUN) -m coverage run -m pytest
	$(RUN) -m coverage combine
	$(RUN) -m coverage report

clean:
	rm -rf $(VENV) build *.egg-info docs/_build .coverage*

$(VENV)/installed-%: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "pyvolume needs Python 3.11 or later; make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
